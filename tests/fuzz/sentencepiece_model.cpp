// Any bytes as a sentencepiece model, converted as each of the kinds that read one. What converts must encode and
// decode without a crash.
#include <hft/tokenizers/convert/convert.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "use_tokenizer.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const hft::json config = hft::json::object();
  for (const std::string_view name : {"TokenizersBackend", "T5Tokenizer", "CamembertTokenizer", "NllbTokenizer",
                                      "SeamlessM4TTokenizer", "LlamaTokenizer"}) {
    const auto* kind = hft::detail::find_tokenizer_kind(name);
    if (!kind) kind = &hft::detail::generic_tokenizer_kind;
    try {
      hft::detail::special_tokens special;
      hft::detail::tokenizer_converter converter(*kind, config, "fuzz", special);
      const hft::Tokenizer tokenizer(
          converter.from_sentencepiece(hft::detail::sentencepiece_model::parse(bytes, "fuzz")), "fuzz");
      use_tokenizer(tokenizer);
    } catch (const hft::error&) {
    }
  }
  return 0;
}
