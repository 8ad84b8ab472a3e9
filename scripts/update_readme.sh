#!/usr/bin/env bash
# Writes README's tables anew, each between its `<!-- table: NAME -->` and `<!-- end -->`:
#   models         parity with Transformers, by build/examples/parity, how long each page is, and what it costs to compile
#   compile        what one program costs the compiler, by tests/compile_budget
#   further        what a further architecture of parts that are there costs the compiler, by tests/compile_budget
#   specialised    run-time and specialised build side by side, by build/hft bench generate
#   tokenize       text to ids, by build/hft bench tokenize (only where a TEXT is given)
#   scripts/update_readme.sh MODEL.gguf [TEXT [MINILM]]   SmolLM2-135M-Instruct.Q4_1.gguf, as scripts/demo.sh fetches it;
#                                                         a few megabytes of English; the folder of all-MiniLM-L6-v2
# Needs the preset default built (cmake --preset default && cmake --build build) and a quiet machine.
set -euo pipefail
cd "$(dirname "$0")/.."
model=$1 text=${2:-} minilm=${3:-}
tables=$(mktemp -d)
trap 'rm -rf "$tables"' EXIT
median() { sort -n | awk '{v[NR] = $1} END {printf "%.0f", v[int((NR + 1) / 2)]}'; }
cpu="$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(nproc) threads"

# Processor seconds of a program that includes a header against hft::compiled, on a machine whose yardstick is 2.4 s.
cat > "$tables/seconds.sh" <<'EOF'
TIMEFORMAT=%U
time g++ -std=c++20 -O2 "$@" -o /dev/null
EOF
yardstick=$(bash "$tables/seconds.sh" -x c++ -c tests/compile_budget/yardstick.txt 2>&1)
page_cost() {
  local seconds
  seconds=$(echo "#include <$1>" |
    bash "$tables/seconds.sh" -DHFT_COMPILED -Iinclude -isystem /usr/include/eigen3 -x c++ -c - 2>&1)
  awk -v s="$seconds" -v y="$yardstick" 'BEGIN { printf "%.1f s", s * 2.4 / y }'
}
build/tests/write_seeded tests/data/models "$tables/seeded"
# With the lines of the header that has the architecture, and what it costs to compile.
build/examples/parity "$tables/seeded" | while IFS= read -r row; do
  name=$(cut -d '|' -f 2 <<< "$row" | tr -d ' ')
  case $name in
    Architecture) echo "$row Lines of its page | Compiled in |" ;;
    -*) echo "$row---|---|" ;;
    *)
      page=$(grep -l "class_prefix = \"$name\"" include/hft/models/*.hpp)
      echo "$row $(wc -l < "$page") | $(page_cost "${page#include/}") |"
      ;;
  esac
done > "$tables/models"

{
  echo '| Program | with `hft::hft` | Budget | with `hft::compiled` | Budget |'
  echo "|---|---|---|---|---|"
  ctest --test-dir build -R '^compile_budget\.' --verbose |
    sed -nE 's/^[0-9]+: ([a-z_]+), (headers|hft::compiled): [0-9.]+ s, ([0-9]+) MB to compile.*: ([0-9.]+) s there .budget ([0-9.]+ s, [0-9]+ MB).*/\1|\2|\4 s, \3 MB|\5/p' |
    awk -F '|' '$2 == "headers" { headers = $3 " | " $4; next }
                { printf "| `tests/compile_budget/%s.cpp` | %s | %s | %s |\n", $1, headers ? headers : "not measured | -", $3, $4; headers = "" }'
} > "$tables/compile"

{
  echo '| Each of ten further architectures like | Time | Object | Budget |'
  echo '|---|---|---|---|'
  ctest --test-dir build -R '^compile_budget\.like' --verbose |
    sed -nE 's/^[0-9]+: each of 10 further architectures like ([A-Za-z0-9]+): ([0-9.]+) s.*, ([0-9.]+) KB of object .budget ([0-9.]+ s, [0-9]+ KB).*/| \1 | \2 s | \3 KB | \4 |/p'
} > "$tables/further"

{
  echo "| $cpu | Prompt of 512, tok/s | Decode of 128, tok/s |"
  echo "|---|---|---|"
  for build in runtime fixed; do
    for round in 1 2 3 4 5; do
      build/hft bench generate "$model" -p 512 -n 128 -r 3 --build $build --json
    done > "$tables/runs"
    echo "| \`$build\` | $(sed -E 's/.*"pp_tok_s": ([0-9.]+).*/\1/' "$tables/runs" | median) |" \
      "$(sed -E 's/.*"tg_tok_s": ([0-9.]+).*/\1/' "$tables/runs" | median) |"
  done
} > "$tables/specialised"

if [ -n "$text" ]; then
  {
    echo "| $cpu, one used | MB/s |"
    echo "|---|---|"
    rate() {  # NAME MODEL
      for round in 1 2 3 4 5; do build/hft bench tokenize "$2" "$text" --json; done > "$tables/runs"
      echo "| $1, $(($(stat -c %s "$text") / 1000000)) MB of English |" \
        "$(sed -E 's/.*"mb_s": ([0-9.]+).*/\1/' "$tables/runs" | median) |"
    }
    rate "SmolLM2 (byte-level BPE)" "$model"
    [ -z "$minilm" ] || rate "all-MiniLM-L6-v2 (WordPiece)" "$minilm"
  } > "$tables/tokenize"
fi

for name in models compile further specialised tokenize; do
  [ -f "$tables/$name" ] || continue
  awk -v name="$name" -v file="$tables/$name" '
    $0 == "<!-- table: " name " -->" { print; while ((getline line < file) > 0) print line; skip = 1; next }
    skip && $0 == "<!-- end -->" { skip = 0 }
    !skip { print }' README.md > "$tables/README.md"
  cp "$tables/README.md" README.md
done
