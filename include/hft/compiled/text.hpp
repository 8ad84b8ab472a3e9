// The compiled part of tokenizers: written by scripts/list_compiled.sh; see linkage.hpp.
#pragma once
#ifndef HFT_COMPILING
#define HFT_COMPILING HFT_PART_TEXT
#endif

#include <hft/tokenizers/gguf_writer.hpp>
#include <hft/tokenizers/pretrained.hpp>
#include <hft/tokenizers/tokenizer.hpp>
