#!/usr/bin/env bash
# Runs a program that was compiled for an instruction set, where this processor has it; else says so and exits with 77,
# which ctest counts as skipped.
#   run_if_cpu_has.sh x86-64|haswell PROGRAM [ARGUMENT...]
set -euo pipefail
march=$1
shift
case $march in
  x86-64) needed=() ;;
  haswell) needed=(avx avx2 bmi1 bmi2 f16c fma movbe) ;;
  *) echo "run_if_cpu_has.sh: unknown instruction set $march" >&2; exit 2 ;;
esac
for feature in "${needed[@]}"; do
  if ! grep -qw -m1 "$feature" /proc/cpuinfo; then
    echo "skipped: compiled for $march, and this processor has no $feature"
    exit 77
  fi
done
exec "$@"
