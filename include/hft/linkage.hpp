// Where the larger functions that are no templates are compiled.
//
//   as it comes         in every source file that uses them, as inline functions: there is nothing to link
//   -DHFT_COMPILED      once, in the source file of the program that includes <hft/compiled.hpp>, or in one for each
//                       header of hft/compiled/ (which is what CMake's hft::compiled is); all others see declarations
//                       alone, and compile in half the time
//
// A header puts such definitions at its end, within `#if HFT_DEFINES(PART)`, each marked HFT_INLINE; so are includes
// that only they need. They are emitted as weak symbols, so that a source file compiled the one way agrees with one
// compiled the other.
//
// Templates of which most programs want the same few instances name these: HFT_COMPILED_IN(PART, INSTANCE) behind the
// definition. That part then has them, and other source files take them from there; what they ask for beside, they
// make for themselves.
#pragma once

#define HFT_PART_MODELS 1  // files, configs, models, generation
#define HFT_PART_TEXT 2    // tokenizers
#define HFT_PART_TRAIN 4
#define HFT_PART_KERNELS 8     // of the cpu: those that ops call
#define HFT_PART_TEMPLATES 16  // chat templates
#define HFT_PART_BODIES 32     // what models like Llama are made of

#ifndef HFT_COMPILED
#define HFT_DEFINES(PART) 1
#define HFT_INLINE inline
#define HFT_INSTANTIATE(...)
#define HFT_COMPILED_IN(PART, ...)
#else
#ifndef HFT_COMPILING
#define HFT_COMPILING 0  // a sum of the parts that this source file compiles
#endif
#define HFT_DEFINES(PART) (HFT_COMPILING & HFT_PART_##PART)
#define HFT_INLINE [[gnu::used]] inline
#define HFT_INSTANTIATE(...) template __VA_ARGS__;  // of a template whose definition other source files do not see
#define HFT_COMPILED_IN(PART, ...) HFT_TEMPLATE_IN_##PART __VA_ARGS__;
#if HFT_DEFINES(MODELS)
#define HFT_TEMPLATE_IN_MODELS template
#else
#define HFT_TEMPLATE_IN_MODELS extern template
#endif
#if HFT_DEFINES(KERNELS)
#define HFT_TEMPLATE_IN_KERNELS template
#else
#define HFT_TEMPLATE_IN_KERNELS extern template
#endif
#if HFT_DEFINES(BODIES)
#define HFT_TEMPLATE_IN_BODIES template
#else
#define HFT_TEMPLATE_IN_BODIES extern template
#endif
#endif

// The same of what runs once, as files and configs are read: compiled for size, and sooner.
#define HFT_INLINE_ONCE [[gnu::cold]] HFT_INLINE
