// The architectures that the tool knows: all, or those that CMake's HFT_TOOL_ARCHS names, for whoever wants it sooner.
#pragma once
#include <hft/auto_peft.hpp>

namespace hft {

#ifdef HFT_TOOL_ARCHS
using tool_archs = archs_with_adapters<archs<HFT_TOOL_ARCHS>>;
#else
using tool_archs = default_archs;
#endif

}  // namespace hft
