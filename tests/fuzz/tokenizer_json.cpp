// Any bytes as a tokenizer.json. What loads must encode and decode without a crash, whatever its vocabulary says.
#include <hft/tokenizers/tokenizer.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const auto tokenizer = hft::Tokenizer::from_json(text);
    for (const std::string_view input :
         {"", "Hello, world's 123 \n\n é e\xcc\x81 \xf0\x9f\x98\x80 <mask> a", "aaaaaaaa ##a"}) {
      try {
        const auto encoding = tokenizer.encode(input);
        const auto ids = tokenizer.encode_ids(input);
        (void)tokenizer.decode(ids);
        auto stream = tokenizer.decode_stream(false);
        for (const auto id : ids) (void)stream.step(id);
        (void)stream.finish();
      } catch (const hft::error&) {
      }
    }
  } catch (const hft::error&) {
  }
  return 0;
}
