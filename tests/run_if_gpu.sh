#!/usr/bin/env bash
# Runs a CUDA program where there is a GPU; else says so and exits with 77, which ctest counts as skipped.
#   run_if_gpu.sh PROGRAM [ARGUMENT...]
set -euo pipefail
if ! compgen -G "/dev/nvidia[0-9]*" >/dev/null; then
  echo "skipped: no GPU on this machine; the program was compiled"
  exit 77
fi
exec "$@"
