#!/usr/bin/env bash
# Writes include/hft/compiled/PART.hpp: every header that has definitions of that part.
#   scripts/list_compiled.sh [--check]    --check writes nothing, and fails where a list is not what it should be
set -euo pipefail
cd "$(dirname "$0")/../include"

declare -A what=([kernels]="the kernels of the cpu" [models]="files, configs, models and generation" [templates]="chat templates" [text]="tokenizers" [train]="training" [bodies]="what models like Llama are made of")
failed=0
for part in bodies kernels models templates text train; do
  list=hft/compiled/$part.hpp
  made=$(
    echo "// The compiled part of ${what[$part]}: written by scripts/list_compiled.sh; see linkage.hpp."
    printf '#pragma once\n#ifndef HFT_COMPILING\n#define HFT_COMPILING HFT_PART_%s\n#endif\n\n' "${part^^}"
    grep -rlE "^ *(#if HFT_DEFINES|HFT_COMPILED_IN)\(${part^^}\>" --exclude=linkage.hpp hft | LC_ALL=C sort -u | sed 's/.*/#include <&>/'
  )
  if [ "${1:-}" != --check ]; then
    mkdir -p hft/compiled
    echo "$made" > "$list"
  elif [ "$made" != "$(cat "$list")" ]; then
    echo "compiled: include/$list is not up to date (scripts/list_compiled.sh)"
    failed=1
  fi
done
exit $failed
