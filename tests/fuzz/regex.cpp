// Any text as a regex of a tokenizer, in Oniguruma's syntax. What compiles must split any text without a crash, into
// pieces that follow one another to its end.
#include <hft/tokenizers/pattern.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    const auto pattern = hft::Pattern::regex(text, "fuzz");
    for (const std::string_view input :
         {"", "Hello, world's 123 \r\n\n  é e\xcc\x81 \xf0\x9f\x98\x80 aab", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"}) {
      try {
        std::size_t end = 0;
        for (const auto& match : pattern.find(input)) {
          if (match.begin != end || match.end < match.begin) std::abort();
          end = match.end;
        }
        if (end != input.size()) std::abort();
      } catch (const hft::error&) {
      }
    }
  } catch (const hft::error&) {
  }
  return 0;
}
