#!/usr/bin/env bash
# Compiles public headers alone.
#   check.sh g++|clang++|nvcc FLAGS_FILE INCLUDE_DIR WORK_DIR JOBS
# g++ takes every header, each as a program of one line, where a warning is an error; of its objects, the symbols tell
# whether a function lacks `inline`. An architecture's page, and a header without definitions of its own for hft::compiled,
# it takes as a program against hft::compiled sees it, in half the time. What a header lacks, it lacks with any compiler, so
# that clang++ and nvcc take all of them in one program, with their own warnings and errors.
# Exits with 77 (skipped) where the compiler is missing.
set -euo pipefail
compiler=$1 flags_file=$2 include=$3 work=$4 jobs=$5

path=$(command -v "$compiler" || true)
[ -n "$path" ] || [ "$compiler" != nvcc ] || path=$(compgen -G /usr/local/cuda/bin/nvcc || true)
if [ -z "$path" ]; then
  echo "skipped: no $compiler on this machine"
  exit 77
fi
if [ "$compiler" = clang++ ] && ! printf '#include <concepts>\n' | "$path" -std=c++20 -fsyntax-only -x c++ - 2>/dev/null; then
  echo "skipped: $path finds no C++20 standard library"
  exit 77
fi

mapfile -t flags < "$flags_file"
mapfile -t headers < <(cd "$include" && find hft -name '*.hpp' | LC_ALL=C sort)
rm -rf "$work"
mkdir -p "$work"
suffix=cpp
[ "$compiler" != nvcc ] || suffix=cu
for header in "${headers[@]}"; do
  if [ "$compiler" = g++ ]; then
    {
      if grep -q ' : architecture<' "$include/$header" || ! grep -q 'HFT_DEFINES(' "$include/$header"; then
        echo '#define HFT_COMPILED'
      fi
      printf '#include <%s>\n#include <%s>\n' "$header" "$header"  # twice: a header may be included again
    } > "$work/$(tr / . <<< "$header").cpp"
  elif [ "$header" != hft/compiled.hpp ]; then  # in one program it would have to be first
    printf '#include <%s>\n' "$header" >> "$work/all_headers.$suffix"
  fi
done

cat > "$work/compile.sh" <<'EOF'
# compile.sh SOURCE COMPILER FLAG...: an object beside the source, or SOURCE.failed with the compiler's words
source=$1; shift
if ! "$@" -c "$source" -o "${source%.*}.o" > "$source.log" 2>&1; then mv "$source.log" "$source.failed"; fi
EOF
case $compiler in
  nvcc) command=("$path" "${flags[@]}" -x cu -diag-suppress 20012,20015) ;;
  clang++) command=("$path" "${flags[@]}" -fsyntax-only -Wall -Wextra -Wpedantic -Werror -Wno-missing-braces) ;;  # std::array{{...}}
  g++) command=("$path" "${flags[@]}" -Wall -Wextra -Wpedantic -Werror) ;;
esac
! command -v ccache >/dev/null || command=(ccache "${command[@]}")
start=$SECONDS
find "$work" -name "*.$suffix" -print0 | LC_ALL=C sort -z |
  xargs -0 -P "$jobs" -I{} bash "$work/compile.sh" {} "${command[@]}"

if [ "$compiler" = g++ ]; then  # strong definitions: T functions, D B R data
  for object in "$work"/*.o; do
    strong=$(nm --defined-only --extern-only --demangle "$object" | grep -E ' [TDBR] ' || true)
    [ -z "$strong" ] || printf 'defined without inline:\n%s\n' "$strong" > "${object%.o}.cpp.failed"
  done
fi

count=$(find "$work" -name "*.$suffix" | wc -l)
failed=0
for log in "$work"/*.failed; do
  [ -e "$log" ] || continue
  failed=$((failed + 1))
  printf -- '---- %s\n' "$(basename "$log" .failed)"
  head -n 40 "$log"
done
echo "$compiler: $count programs for ${#headers[@]} headers in $((SECONDS - start)) s, $failed failed"
[ "$failed" = 0 ]
