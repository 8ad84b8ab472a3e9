// The compiled part of training: written by scripts/list_compiled.sh; see linkage.hpp.
#pragma once
#ifndef HFT_COMPILING
#define HFT_COMPILING 4
#endif

#include <hft/train/trainer.hpp>
