#!/usr/bin/env bash
# From a fresh clone to all tests passed: installs what is missing, configures, builds everything, runs the tests.
#   scripts/test.sh [CTEST_ARGUMENT...]     for instance -R tokenizers
# What a machine lacks (a compiler, an instruction set, a GPU) is listed as skipped.
set -euo pipefail
cd "$(dirname "$0")/.."
start=$SECONDS
scripts/install_dependencies.sh tests
scripts/build.sh ci
# The preset asan is not built here: one source of its io tests (io/gguf.cpp) takes 47 s of a processor, and the io,
# tokenizers and models tests have 43 sources. What reads files runs under both sanitizers all the same, as fuzz.NAME.
# Each commit is fuzzed with other inputs; a failure prints the number that brings its own back.
export HFT_FUZZ_SEED="${HFT_FUZZ_SEED:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}"
rc=0
(cd build && ctest --output-on-failure --parallel "$(nproc)" "$@") || rc=$?
# The words of the tests that were skipped, and the figures of the measured ones.
log=build/Testing/Temporary/LastTest.log
if [ -f "$log" ]; then grep -hE '^skipped: |^[a-z+]+: .* (s to compile|headers in) |to compile with' "$log" | sort -u || true; fi
echo "test: $((SECONDS - start)) s in all"
exit $rc
