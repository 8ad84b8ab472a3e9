#!/usr/bin/env bash
# Checks one misuse: the case compiles with -DGOOD, and without it the compiler fails and says what was expected.
#   check.sh CASE.cpp FLAGS_FILE COMPILER
# A case begins with `// expect: REGEX`, an extended regular expression for one line of the compiler's output, once or for
# several lines; behind that may stand `// lines: N`, the most lines that this output has, but those that say which header
# includes which.
set -euo pipefail
case=$1 flags_file=$2 compiler=$3

mapfile -t expectations < <(sed -n -e '\|^// expect: |!q' -e 's|^// expect: *||p' "$case")
if [ ${#expectations[@]} = 0 ]; then
  echo "$case: expected the first line to be // expect: REGEX, got: $(head -n 1 "$case")"
  exit 1
fi
mapfile -t flags < "$flags_file"
command=("$compiler" "${flags[@]}" -Wall -Wextra -fsyntax-only -fmessage-length=0 "$case")

if ! output=$("${command[@]}" -DGOOD 2>&1); then
  printf '%s: expected to compile with -DGOOD, got:\n%s\n' "$case" "$(head -n 40 <<< "$output")"
  exit 1
fi
if output=$("${command[@]}" 2>&1); then
  echo "$case: expected an error that matches: ${expectations[0]}; got: it compiles"
  exit 1
fi
for expected in "${expectations[@]}"; do
  if ! grep -qE -- "$expected" <<< "$output"; then
    printf '%s: expected an error that matches: %s; got:\n%s\n' "$case" "$expected" "$(head -n 40 <<< "$output")"
    exit 1
  fi
done
most=$(sed -n "$((${#expectations[@]} + 1))s|^// lines: *||p" "$case")
if [ -n "$most" ] && [ "$(grep -cvE '^(In file included| +) from ' <<< "$output")" -gt "$most" ]; then
  printf '%s: expected at most %s lines, got:\n%s\n' "$case" "$most" "$(head -n 40 <<< "$output")"
  exit 1
fi
grep -m 1 -E -- "${expectations[0]}" <<< "$output"
