#!/usr/bin/env bash
# Configures and builds a preset with as many jobs as the processors and the memory allow.
#   scripts/build.sh PRESET [CMAKE_BUILD_ARGUMENT...]
set -euo pipefail
cd "$(dirname "$0")/.."
preset=$1
shift

jobs=$(nproc)
memory_gb=$(awk '/^MemAvailable:/ { print int($2 / 1048576) }' /proc/meminfo)
if [ $((memory_gb / 3)) -lt "$jobs" ]; then jobs=$((memory_gb / 3)); fi  # 3 GB for each compiler
if [ "$jobs" -lt 1 ]; then jobs=1; fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
start=$SECONDS
echo "build: configuring and building the preset $preset with $jobs jobs" >&2
cmake --preset "$preset" > "$log" 2>&1 || { cat "$log" >&2; exit 1; }
grep -E '^-- CUDA' "$log" >&2 || true
# Without the compiler's lines that only say what is being built; warnings and errors stay.
cmake --build --preset "$preset" --parallel "$jobs" "$@" > "$log" 2>&1 || {
  grep -vE '^\[ *[0-9]+%\] (Building|Built|Linking)' "$log" | tail -n 200 >&2
  exit 1
}
grep -E 'warning:' -A 5 "$log" >&2 || true
echo "build: done in $((SECONDS - start)) s" >&2
