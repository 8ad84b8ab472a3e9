#!/usr/bin/env bash
# Compiles one program as a user would, against the headers and against hft::compiled, and compares time and memory with
# its budget; fails at twice the budget.
#   check.sh CASE.cpp FLAGS_FILE COMPILER MEASURE INCLUDE_DIR
# The first line of a case is `// budget: N s, N MB`, its second may be `// without: REGEX`, which no symbol matches: what
# a program does not use it does not hold. Seconds are those of a machine that compiles yardstick.txt in
# 2.4 s, and are scaled by what this one takes for it, so that a slow or busy machine fails nothing. Exits with 77
# (skipped) where a header of hft that the case includes does not exist yet.
set -euo pipefail
case=$1 flags_file=$2 compiler=$3 measure=$4 include=$5

if ! [[ $(head -n 1 "$case") =~ ^//\ budget:\ ([0-9.]+)\ s,\ ([0-9]+)\ MB ]]; then
  echo "$case: expected the first line to be // budget: N s, N MB; got: $(head -n 1 "$case")"
  exit 1
fi
budget_s=${BASH_REMATCH[1]} budget_mb=${BASH_REMATCH[2]}
while read -r header; do
  [ -e "$include/$header" ] || { echo "skipped: there is no $header yet"; exit 77; }
done < <(sed -nE 's|^#include <(hft/[^>]*)>.*|\1|p' "$case")

mapfile -t flags < "$flags_file"
object=$(mktemp --suffix .o)
trap 'rm -f "$object" "$object.yardstick"' EXIT
# What a program takes is scaled by what the yardstick took before and after it: other work comes and goes.
yardstick() {
  local taken
  taken=$("$measure" "$compiler" -std=c++20 -O2 -x c++ -c "$(dirname "$case")/yardstick.txt" -o "$object.yardstick" |
    tail -n 1)
  echo "${taken%% *}"
}
before=$(yardstick)

# compile HOW [FLAG...]: prints what it takes, HOW the program is compiled; 1 beyond twice the budget.
compile() {
  local how=$1 output seconds megabytes after speed scaled
  if ! output=$(CCACHE_DISABLE=1 "$measure" "$compiler" "${flags[@]}" "${@:2}" -O2 -c "$case" -o "$object" 2>&1); then
    printf '%s: does not compile:\n%s\n' "$case" "$(head -n 40 <<< "$output")"
    exit 1
  fi
  read -r seconds megabytes <<< "$(tail -n 1 <<< "$output")"
  after=$(yardstick)
  speed=$(awk -v a="$before" -v b="$after" 'BEGIN { printf "%.2f", 4.8 / (a + b) }')
  before=$after
  scaled=$(awk -v s="$seconds" -v speed="$speed" 'BEGIN { printf "%.1f", s * speed }')
  echo "$(basename "$case" .cpp), $how: $seconds s, $megabytes MB to compile with -O2, on a machine of $speed of the" \
    "reference's speed: $scaled s there (budget $budget_s s, $budget_mb MB);" \
    "object of $(($(stat -c %s "$object") / 1024)) KB"
  awk -v s="$scaled" -v m="$megabytes" -v bs="$budget_s" -v bm="$budget_mb" \
    'BEGIN { exit !(s <= 2 * bs && m <= 2 * bm) }' || {
    echo "over twice the budget"
    exit 1
  }
}

compile headers
absent=$(sed -n '2s|^// without: *||p' "$case")
if [ -n "$absent" ] && symbols=$(nm "$object" | grep -E -- "$absent"); then
  printf '%s: expected no symbol that matches %s, got:\n%s\n' "$case" "$absent" "$(head -n 5 <<< "$symbols")"
  exit 1
fi
compile hft::compiled -DHFT_COMPILED
