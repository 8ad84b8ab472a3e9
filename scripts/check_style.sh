#!/usr/bin/env bash
# The style that a machine can check: the format (clang-format 14, .clang-format), includes that go down the ladder, and
# that the compiled part has all definitions.
#   scripts/check_style.sh [--fix]     --fix formats the files in place
set -euo pipefail
cd "$(dirname "$0")/.."

mapfile -t sources < <(find include examples tests benchmarks \( -name '*.hpp' -o -name '*.cpp' -o -name '*.cu' \) | LC_ALL=C sort)
failed=0
formatter=$(command -v clang-format-14 || command -v clang-format || true)
if [ -z "$formatter" ]; then
  echo "style: skipped the format: no clang-format on this machine"
elif ! "$formatter" --version | grep -q 'version 14\.'; then
  echo "style: skipped the format: expected clang-format 14, got $("$formatter" --version)"
elif [ "${1:-}" = --fix ]; then
  "$formatter" -i "${sources[@]}"
else
  for source in "${sources[@]}"; do
    if ! "$formatter" "$source" | diff -q "$source" - >/dev/null; then
      echo "style: not formatted: $source (scripts/check_style.sh --fix)"
      failed=1
    fi
  done
fi

scripts/check_ladder.sh || failed=1
scripts/list_compiled.sh --check || failed=1
if [ $failed = 0 ]; then echo "style: ${#sources[@]} files pass"; fi
exit $failed
