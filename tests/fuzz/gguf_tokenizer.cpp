// Any bytes as a GGUF file with a tokenizer. What loads must encode and decode without a crash.
#include <hft/tokenizers/gguf.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "use_tokenizer.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto bytes = std::make_shared<const std::string>(reinterpret_cast<const char*>(data), size);
    const auto file = hft::gguf_file::parse(std::as_bytes(std::span(bytes->data(), bytes->size())), bytes, "fuzz");
    const auto tokenizer = hft::tokenizer_from_gguf(file);
    use_tokenizer(tokenizer);
  } catch (const hft::error&) {
  }
  return 0;
}
