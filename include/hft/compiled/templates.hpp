// The compiled part of chat templates: written by scripts/list_compiled.sh; see linkage.hpp.
#pragma once
#ifndef HFT_COMPILING
#define HFT_COMPILING HFT_PART_TEMPLATES
#endif

#include <hft/tokenizers/apply_chat_template.hpp>
#include <hft/tokenizers/chat_template.hpp>
