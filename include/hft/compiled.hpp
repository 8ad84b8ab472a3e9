// The one source file in which a program compiles what its others only declare: see linkage.hpp. A program that is
// built without CMake's hft::compiled has a source file with this include alone, and -DHFT_COMPILED for all of them.
#pragma once
#ifdef HFT_PART_MODELS
#error "hft: <hft/compiled.hpp> must be the first header of hft in its source file"
#endif
#define HFT_COMPILING \
  (HFT_PART_BODIES | HFT_PART_KERNELS | HFT_PART_MODELS | HFT_PART_TEMPLATES | HFT_PART_TEXT | HFT_PART_TRAIN)

#include <hft/compiled/bodies.hpp>
#include <hft/compiled/kernels.hpp>
#include <hft/compiled/models.hpp>
#include <hft/compiled/templates.hpp>
#include <hft/compiled/text.hpp>
#include <hft/compiled/train.hpp>
