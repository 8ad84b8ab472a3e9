#!/usr/bin/env bash
# Compiles one program as a user would, against the headers and against hft::compiled, and compares time and memory with
# its budget; fails at twice the budget.
#   check.sh CASE.cpp FLAGS_FILE COMPILER MEASURE INCLUDE_DIR
# The first line of a case is `// budget: N s, N MB; compiled: N s, N MB`, the headers' (-: not tried) and
# hft::compiled's, its second may be `// without: REGEX`, which no symbol matches: what a program does not use it does not
# hold. A line `// program: PAGE HEADING` names the first program below that heading of a page in its place. No symbol is
# longer than 1000 characters: what a compiler or a debugger says stays readable. Seconds are those of a machine that
# compiles yardstick.txt in 2.4 s, and are scaled by what this one takes for it, so that a slow or busy machine fails
# nothing. Exits with 77 (skipped) where a header of hft that the case includes does not exist yet.
set -euo pipefail
case=$1 flags_file=$2 compiler=$3 measure=$4 include=$5

if ! [[ $(head -n 1 "$case") =~ ^//\ budget:\ (([0-9.]+)\ s,\ ([0-9]+)\ MB|-)\;\ compiled:\ ([0-9.]+)\ s,\ ([0-9]+)\ MB$ ]]; then
  echo "$case: expected the first line to be // budget: N s, N MB; compiled: N s, N MB; got: $(head -n 1 "$case")"
  exit 1
fi
budgets=("${BASH_REMATCH[@]:2}")
while read -r header; do
  [ -e "$include/$header" ] || { echo "skipped: there is no $header yet"; exit 77; }
done < <(sed -nE 's|^#include <(hft/[^>]*)>.*|\1|p' "$case")

mapfile -t flags < "$flags_file"
object=$(mktemp --suffix .o)
trap 'rm -f "$object" "$object.yardstick" "$object.cpp"' EXIT
program=$case
if from=$(sed -nE 's|^// program: (.*)|\1|p' "$case") && [ -n "$from" ]; then
  read -r page heading <<< "$from"
  program=$object.cpp
  awk -v heading="## $heading" '/^## /{ here = $0 == heading; marked = 0 } here && /^<!-- (compile|run) -->$/{ marked = 1 }
    /^```$/ && inside { exit } inside { print } here && marked && /^```cpp$/{ inside = 1 }' \
    "$(dirname "$case")/../../$page" > "$program"
  [ -s "$program" ] || { echo "$case: $page has no program below '## $heading'"; exit 1; }
fi
# What a program takes is scaled by what the yardstick took before and after it: other work comes and goes.
yardstick() {
  local taken
  taken=$("$measure" "$compiler" -std=c++20 -O2 -x c++ -c "$(dirname "$case")/yardstick.txt" -o "$object.yardstick" |
    tail -n 1)
  echo "${taken%% *}"
}
before=$(yardstick)

# measured [FLAG...]: compiles the program; SECONDS, scaled, and MEGABYTES.
measured() {
  local output seconds megabytes after
  if ! output=$(CCACHE_DISABLE=1 "$measure" "$compiler" "${flags[@]}" "$@" -O2 -c "$program" -o "$object" 2>&1); then
    printf '%s: does not compile:\n%s\n' "$case" "$(head -n 40 <<< "$output")"
    exit 1
  fi
  read -r seconds megabytes <<< "$(tail -n 1 <<< "$output")"
  after=$(yardstick)
  speed=$(awk -v a="$before" -v b="$after" 'BEGIN { printf "%.2f", 4.8 / (a + b) }')
  before=$after
  took=$seconds took_mb=$megabytes scaled=$(awk -v s="$seconds" -v speed="$speed" 'BEGIN { printf "%.1f", s * speed }')
}

# compile HOW S MB [FLAG...]: prints what it takes, HOW the program is compiled; 1 beyond twice the budget of S and MB.
# What is beyond it is compiled again, up to three times in all, and the least counts: what a program costs is what it
# takes undisturbed.
compile() {
  local how=$1 budget_s=$2 budget_mb=$3 symbols longest try
  within() { awk -v s="$scaled" -v m="$took_mb" -v bs="$budget_s" -v bm="$budget_mb" 'BEGIN { exit !(s <= 2 * bs && m <= 2 * bm) }'; }
  for try in 1 2 3; do
    measured "${@:4}"
    echo "$(basename "$case" .cpp), $how: $took s, $took_mb MB to compile with -O2, on a machine of $speed of the" \
      "reference's speed: $scaled s there (budget $budget_s s, $budget_mb MB);" \
      "object of $(($(stat -c %s "$object") / 1024)) KB"
    if within; then break; fi
    [ "$try" -lt 3 ] || { echo "over twice the budget, three times"; exit 1; }
  done
  if [ -n "$absent" ] && symbols=$(nm "$object" | grep -E -- "$absent"); then
    printf '%s: expected no symbol that matches %s, got:\n%s\n' "$case" "$absent" "$(head -n 5 <<< "$symbols")"
    exit 1
  fi
  longest=$(nm "$object" | awk '{ if (length($NF) > n) n = length($NF) } END { print n }')
  [ "$longest" -le 1000 ] || { echo "$case: expected symbols of at most 1000 characters, got one of $longest"; exit 1; }
}

absent=$(sed -n '2s|^// without: *||p' "$case")
if [ -n "${budgets[0]}" ]; then compile headers "${budgets[@]:0:2}"; fi
compile hft::compiled "${budgets[@]:2}" -DHFT_COMPILED
