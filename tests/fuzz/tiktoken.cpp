// Any bytes as a tiktoken vocabulary. What converts must encode and decode without a crash.
#include <hft/tokenizers/convert/convert.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "use_tokenizer.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const hft::json config = hft::json::object();
  const auto* kind = hft::detail::find_tokenizer_kind("TokenizersBackend");
  if (!kind) kind = &hft::detail::generic_tokenizer_kind;
  try {
    hft::detail::special_tokens special;
    hft::detail::tokenizer_converter converter(*kind, config, "fuzz", special);
    const hft::Tokenizer tokenizer(converter.from_tiktoken(hft::detail::read_tiktoken(bytes, "fuzz")), "fuzz");
    use_tokenizer(tokenizer);
  } catch (const hft::error&) {
  }
  return 0;
}
