// Any bytes as a GGUF file with a tokenizer. What loads must encode and decode without a crash.
#include <hft/tokenizers/gguf.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto bytes = std::make_shared<const std::string>(reinterpret_cast<const char*>(data), size);
    const auto file = hft::gguf_file::parse(std::as_bytes(std::span(bytes->data(), bytes->size())), bytes, "fuzz");
    const auto tokenizer = hft::tokenizer_from_gguf(file);
    for (const std::string_view input : {"", "Hello, world 12 \xc2\xbd\n\n e\xcc\x81 <s>[CLS]", "aaaaaaaaaa"}) {
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
