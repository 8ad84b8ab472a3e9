// Fuzz target: the GGUF reader. Of a file it accepts, every value and every byte of a tensor must be readable.
#include "hft/io/gguf.hpp"

#include <cstdint>
#include <memory>

#include "hft/error.hpp"

namespace {

// An accessor may refuse a value of another type, but only with the library's error.
template <class F>
void attempt(F f) {
  try {
    f();
  } catch (const hft::error&) {
  }
}

void read_arrays(const hft::gguf_value& v) {
  attempt([&] {
    for (const hft::gguf_value& inner : v.as_arrays()) {
      attempt([&] { inner.as_i64s(); });
      attempt([&] { inner.as_strings(); });
      read_arrays(inner);
    }
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto file = hft::gguf_file::parse({reinterpret_cast<const std::byte*>(data), size}, nullptr, "fuzz");
    for (const hft::gguf_value& v : file.metadata()) {
      if (file.find(v.key()) != &v) __builtin_trap();
      attempt([&] { v.as_i64(); });
      attempt([&] { v.as_f64(); });
      attempt([&] { v.as_bool(); });
      attempt([&] { v.as_string(); });
      attempt([&] { v.as_i64s(); });
      attempt([&] { v.as_integers<std::uint8_t>(); });
      attempt([&] { v.as_f32s(); });
      attempt([&] { v.as_bools(); });
      attempt([&] { v.as_strings(); });
      read_arrays(v);
    }
    unsigned sum = 0;
    for (const hft::stored_tensor& t : file.tensors()) {
      for (const std::byte b : t.bytes) sum += unsigned(b);
      if (file.find_tensor(t.name) != &t) __builtin_trap();
    }
    for (const auto& t : file.unreadable()) attempt([&] { file.find_tensor(t.name); });
    if (sum == ~0u) __builtin_trap();  // uses the sum, so that the reads stay
  } catch (const hft::error&) {
  }
  return 0;
}
