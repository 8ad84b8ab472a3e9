#!/usr/bin/env bash
# Checks that public headers include only what stands lower on the ladder, or beside them in the same group.
# Prints each violation as FILE:LINE. CONTRIBUTING.md shows the ladder.
set -euo pipefail
cd "$(dirname "$0")/../include"

find hft -name '*.hpp' -print0 | LC_ALL=C sort -z | xargs -0 awk '
  # The rank of a header by its path; a header includes only ranks up to its own. `beside` groups form their own
  # branch: they are included by what stands above models, and include nothing above tensor but each other.
  function rank(path) {
    if (path ~ /^hft\/(version|linkage|error|log|progress|dtype|short_string)\.hpp$/) return 0
    if (path ~ /^hft\/(device|parallel|random)\.hpp$/) return 1
    if (path ~ /^hft\/tensor\.hpp$/) return 2
    if (path ~ /^hft\/quantization\/(convert|elements|quantize|block_formats|nf4)\.hpp$/) return 2  # dtypes as others
    if (path ~ /^hft\/ops\/cpu\/isa\.hpp$/) return 2
    if (path ~ /^hft\/(autocast|autodiff|module)\.hpp$/) return 3
    if (path ~ /^hft\/io\//) return 4
    if (path ~ /^hft\/quantization\//) return 4
    if (path ~ /^hft\/ops\/(activation_kind|heads|dropout_mask)\.hpp$/) return 4  # words that kernels and ops share
    if (path ~ /^hft\/ops\/(cpu|cuda)\//) return 5
    if (path ~ /^hft\/ops\//) return 6
    if (path ~ /^hft\/layers\//) return 7
    if (path ~ /^hft\/models\//) return 8
    if (path ~ /^hft\/(jinja|grammar)\//) return 4
    if (path ~ /^hft\/(tokenizers|processing)\//) return 8  # beside: see independent()
    if (path ~ /^hft\/(generation|train|pipelines)\//) return 9
    if (path ~ /^hft\/(archs|auto)/) return 10
    if (path ~ /^hft\/testing\//) return 10
    if (path ~ /^hft\/compiled/) return 11  # everything that has definitions
    if (path ~ /^hft\/[a-z0-9_]+\.hpp$/) return 3
    return -1
  }
  function independent(path) { return path ~ /^hft\/(jinja|grammar|tokenizers|processing)\// }
  function mathematical(path) { return path ~ /^hft\/(autodiff|module|ops\/.*|layers\/.*|models\/.*)/ }
  function dirname(path) { sub(/[^\/]*$/, "", path); return path }
  function complain(why) { printf "ladder: include/%s:%d: %s includes %s: %s\n", FILENAME, FNR, FILENAME, included, why; bad = 1 }

  FNR == 1 { ++headers; if (rank(FILENAME) < 0) { printf "ladder: include/%s: its folder has no place on the ladder\n", FILENAME; bad = 1 } }
  /^[ \t]*#[ \t]*include[ \t]*[<"]/ {
    included = $0
    sub(/^[ \t]*#[ \t]*include[ \t]*[<"]/, "", included)
    quoted = index($0, "\"") > 0
    sub(/[>"].*$/, "", included)
    if (quoted && included !~ /^hft\//) included = dirname(FILENAME) included
    while (included ~ /[^\/]+\/\.\.\//) sub(/[^\/]+\/\.\.\//, "", included)
    if (included !~ /^hft\//) next
    if (rank(included) > rank(FILENAME)) complain("upward")
    else if (independent(included) && FILENAME ~ /^hft\/models\//) complain("models know no text")
    else if (independent(FILENAME) && mathematical(included)) complain("what knows text and pictures knows no models")
  }
  END {
    if (!bad) printf "ladder: %d headers include downward only\n", headers
    exit bad
  }
'
