// Where the larger functions that are no templates are compiled.
//
//   as it comes         in every source file that uses them, as inline functions: there is nothing to link
//   -DHFT_COMPILED      once, in the one source file of the program that includes <hft/compiled.hpp> (CMake's
//                       hft::compiled is that file); all others see declarations alone, and compile in half the time
//
// A header puts such definitions at its end, within `#if HFT_DEFINITIONS`, each marked HFT_INLINE. They are emitted as
// weak symbols, so that a source file compiled the one way agrees with one compiled the other.
#pragma once

#if defined(HFT_COMPILED) && !defined(HFT_COMPILING)
#define HFT_DEFINITIONS 0
#else
#define HFT_DEFINITIONS 1
#endif

#ifdef HFT_COMPILING
#define HFT_INLINE [[gnu::used]] inline
#else
#define HFT_INLINE inline
#endif
