// Any bytes as a tiktoken vocabulary. What converts must encode and decode without a crash.
#include <hft/tokenizers/convert/convert.hpp>
#include <hft/tokenizers/tokenizer.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const hft::json config = hft::json::object();
  const auto* kind = hft::detail::find_tokenizer_kind("TokenizersBackend");
  if (!kind) kind = &hft::detail::generic_tokenizer_kind;
  try {
    hft::detail::special_tokens special;
    hft::detail::tokenizer_converter converter(*kind, config, "fuzz", special);
    const hft::Tokenizer tokenizer(converter.from_tiktoken(hft::detail::read_tiktoken(bytes, "fuzz")), "fuzz");
    for (const std::string_view input : {"", "Hello, world 12 \xef\xbd\x81\xc2\xbd\n\n e\xcc\x81 <s>", "aaaaaaaaaa"}) {
      try {
        const auto encoding = tokenizer.encode(input);
        (void)tokenizer.decode(encoding.ids, false);
      } catch (const hft::error&) {
      }
    }
  } catch (const hft::error&) {
  }
  return 0;
}
