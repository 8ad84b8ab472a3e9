// The compiled part of tokenizers: written by scripts/list_compiled.sh; see linkage.hpp.
#pragma once
#ifndef HFT_COMPILING
#define HFT_COMPILING HFT_PART_TEXT
#endif

#include <hft/generation/logits_process/grammar.hpp>
#include <hft/generation/logits_process/guided.hpp>
#include <hft/grammar/automaton.hpp>
#include <hft/grammar/compiled_grammar.hpp>
#include <hft/grammar/gbnf.hpp>
#include <hft/grammar/grammar.hpp>
#include <hft/grammar/json_schema.hpp>
#include <hft/grammar/regex.hpp>
#include <hft/grammar/token_masks.hpp>
#include <hft/tokenizers/gguf_writer.hpp>
#include <hft/tokenizers/pretrained.hpp>
#include <hft/tokenizers/token_texts.hpp>
#include <hft/tokenizers/tokenizer.hpp>
