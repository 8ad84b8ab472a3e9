// What a template may use.
#pragma once
#include <cstddef>

namespace hft {

/// What a template may spend before it ends in a template_error. The defaults are far beyond any real chat.
struct template_limits {
  std::size_t steps = 20'000'000;        // evaluated nodes; long strings and lists cost more than one
  int depth = 600;                       // nested evaluations: macros that call themselves, recursive loops
  std::size_t output_bytes = 64 << 20;   // of the text, and of any one string inside
  std::size_t memory_bytes = 512 << 20;  // that the values hold at one time
};

}  // namespace hft
