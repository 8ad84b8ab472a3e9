// Fuzz target: the safetensors reader. A file it accepts must be readable to its last byte, and sound when rewritten.
#include "hft/io/safetensors.hpp"

#include <cstdint>
#include <memory>

#include "hft/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto file = hft::safetensors_file::parse({reinterpret_cast<const std::byte*>(data), size}, nullptr, "fuzz");
    unsigned sum = 0;
    for (const hft::stored_tensor& t : file.tensors()) {
      for (const std::byte b : t.bytes) sum += unsigned(b);
      if (file.find(t.name) != &t) __builtin_trap();
      if (hft::detail::storage_bytes(t.dtype, t.shape) != t.bytes.size()) __builtin_trap();
    }
    if (sum == ~0u) __builtin_trap();  // uses the sum, so that the reads stay
  } catch (const hft::error&) {
  }
  return 0;
}
