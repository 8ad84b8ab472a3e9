// Any text as a regular expression: read, and a text of the grammar begun.
#include <hft/grammar/regex.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "use_grammar.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    hft::fuzz::use(hft::grammar_from_regex(text), std::uint32_t(size * 2654435761u));
  } catch (const hft::error&) {
  }
  return 0;
}
