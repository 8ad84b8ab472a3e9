#!/usr/bin/env bash
# What a further architecture costs the compiler, where its parts are there: AutoModel over those of hft, and over ten more
# that are copies of one of them under other names. Prints what each of the ten takes, and fails beyond 40 KB of object or
# twice 0.3 s.
#   further.sh MODEL CLASS_PREFIX FLAGS_FILE COMPILER MEASURE INCLUDE_DIR       further.sh llama Llama ...
# Everything of a copy is compiled here, as of an architecture of the user's own; the rest of hft is hft::compiled.
# Seconds are scaled as in check.sh.
set -euo pipefail
model=$1 prefix=$2 flags_file=$3 compiler=$4 measure=$5 include=$6
copies=10

mapfile -t flags < "$flags_file"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
yardstick=$("$measure" "$compiler" -std=c++20 -O2 -x c++ -c "$(dirname "$0")/yardstick.txt" -o "$work/y.o" | tail -n 1)
speed=$(awk -v y="${yardstick%% *}" 'BEGIN { printf "%.2f", 2.4 / y }')

# A header under other names, all of it compiled where it is included; its parts are those that are there.
copy() {
  perl -0pe "s/template <class B>\nusing $prefix(Block|Layer|Base) = [^;]*;//g; s/$prefix(?!Block|Layer|Base)/Copy$1_/g;
             s/\"$model\"/\"copy$1\"/g; s/struct $model :/struct copy$1 :/g; s/#pragma once|#if HFT_DEFINES\(MODELS\)|#endif .*//g; s/HFT_INLINE/inline/g" \
      "$include/hft/models/$model.hpp"
}
program() {
  echo '#include <hft/auto.hpp>'
  local list=llama,qwen2,gpt2,bert
  for ((i = 0; i < $1; ++i)); do
    copy $i > "$work/copy$i.hpp"
    echo "#include \"$work/copy$i.hpp\""
    list+=,copy$i
  done
  echo 'using namespace hft;'
  echo "int main(int, char** argv) { return AutoModel<any_q, cpu, archs<$list>>::from_pretrained(argv[1]).is_causal_lm(); }"
}
# Prints milliseconds and bytes of object.
compile() {
  program "$1" > "$work/program$1.cpp"
  local output
  if ! output=$(CCACHE_DISABLE=1 "$measure" "$compiler" "${flags[@]}" -DHFT_COMPILED -O2 -c "$work/program$1.cpp" \
      -o "$work/program$1.o" 2>&1); then
    printf 'does not compile:\n%s\n' "$(head -n 40 <<< "$output")" >&2
    exit 1
  fi
  echo "$(tail -n 1 <<< "$output" | cut -d ' ' -f 1) $(stat -c %s "$work/program$1.o")"
}

read -r alone alone_bytes <<< "$(compile 0)"
read -r more more_bytes <<< "$(compile $copies)"
awk -v n=$copies -v a="$alone" -v b="$more" -v ab="$alone_bytes" -v bb="$more_bytes" -v speed="$speed" -v what="$prefix" 'BEGIN {
  s = (b - a) / n * speed; kb = (bb - ab) / n / 1024
  printf "each of %d further architectures like %s: %.2f s, scaled to the reference (this machine: %.2f of its speed), " \
         "%.1f KB of object (budget 0.30 s, 40 KB; the %d without: %.1f s)\n", n, what, s, speed, kb, 4, a * speed
  exit !(s <= 0.6 && kb <= 40)
}'
