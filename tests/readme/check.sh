#!/usr/bin/env bash
# Compiles the code blocks of a page.
#   check.sh PAGE.md FLAGS_FILE LINK_FLAGS_FILE COMPILER WORK_DIR LIBRARY [FLAG...]
# A ```cpp block is taken after a line `<!-- compile -->` or, to be run as well, `<!-- run -->`. A block with no `main`
# is given one, and may stand on what the blocks before it on the page declare; so may one with a `main` after
# `<!-- run on the above -->`. Those after `<!-- run together -->`, each with a `main`, are one program, each in a namespace
# of its own, so that what they include is compiled once; it runs them in order, in WORK_DIR.
set -euo pipefail
page=$1 flags_file=$2 link_flags_file=$3 compiler=$4 work=$5 library=$6
shift 6

mapfile -t flags < "$flags_file"
mapfile -t link_flags < "$link_flags_file"
rm -rf "$work"
mkdir -p "$work"
awk -v work="$work" '
  /^<!-- (compile|run) -->$/ { mark = $2; next }
  /^<!-- run on the above -->$/ { mark = "above.run"; next }
  /^<!-- run together -->$/ { mark = "together.run"; next }
  /^```cpp/ && mark { ++n; file = sprintf("%s/block_%02d.%s.cpp", work, n, mark); line = NR + 1; open = 1
                      printf "#line %d \"%s\"\n", line, FILENAME > file; next }
  /^```/ && open { open = 0; mark = ""; close(file); next }
  open { print > file; next }
  NF { mark = "" }
' "$page"

shopt -s nullglob
declarations=$work/declarations.hpp
: > "$declarations"
count=0
together=("$work"/block_*.together.run.cpp)
if [ "${#together[@]}" -gt 0 ]; then
  program=$work/together
  {
    grep -hE '^#include' "${together[@]}" | sort -u
    for i in "${!together[@]}"; do
      echo "namespace block_$i {"
      sed 's/^#include.*//; s/^int main()/void program()/' "${together[$i]}"  # only the one main returns by itself
      echo "}"
    done
    echo "int main() {"
    for i in "${!together[@]}"; do echo "  block_$i::program();"; done
    echo "}"
  } > "$program.cpp"
  # g++ 12's own AVX-512 intrinsics, which Eigen calls, have a variable that is not initialised.
  "$compiler" "${flags[@]}" "$@" -Wall -Wextra -Wno-uninitialized -Wno-maybe-uninitialized -O1 "$program.cpp" -o "$program" \
    "$library" "${link_flags[@]}"
  (cd "$work/.." && "$program")
fi
for block in "$work"/block_*.cpp; do
  count=$((count + 1))
  if [[ $block == *.together.run.cpp ]]; then continue; fi
  program=$work/program_$count
  if grep -qE '^int main' "$block"; then
    case $block in
      *.above.run.cpp) cat "$declarations" "$block" > "$program.cpp" ;;
      *) cp "$block" "$program.cpp" ;;
    esac
  else
    cat "$block" >> "$declarations"
    { cat "$declarations"; echo 'int main() {}'; } > "$program.cpp"
  fi
  "$compiler" "${flags[@]}" "$@" -Wall -Wextra -O1 "$program.cpp" -o "$program" "$library" "${link_flags[@]}"
  case $block in
    *.run.cpp) "$program" ;;
  esac
done
echo "$(basename "$page"): $count blocks compiled"
[ "$count" -gt 0 ]
