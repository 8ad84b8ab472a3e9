// The compiled part of what models like Llama are made of: written by scripts/list_compiled.sh; see linkage.hpp.
#pragma once
#ifndef HFT_COMPILING
#define HFT_COMPILING HFT_PART_BODIES
#endif

#include <hft/models/llama_body.hpp>
