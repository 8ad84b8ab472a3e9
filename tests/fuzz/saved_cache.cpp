// Fuzz target: saved caches. A file that is accepted gives a cache that can be asked, cropped and saved again.
#include "hft/generation/saved_cache.hpp"

#include <cstdint>
#include <memory>

#include "hft/error.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const auto bytes = std::make_shared<std::vector<std::byte>>(size);
    std::copy_n(reinterpret_cast<const std::byte*>(data), size, bytes->data());
    const auto file = hft::safetensors_file::parse(*bytes, bytes, "fuzz");
    hft::LayeredCache<> cache(hft::detail::read_saved_cache(file).options, "fuzz");
    hft::detail::load_into(cache, file, nullptr);
    const hft::isize length = cache.get_seq_length();
    for (auto& layer : cache.layers())
      if (auto* kv = dynamic_cast<hft::detail::kv_layer<hft::f32, hft::cpu>*>(layer.get()))
        if (kv->held().first && kv->held().first.size() < 1 << 20) (void)kv->held().first.clone();
    cache.batch_repeat_interleave(1);
    cache.crop(length / 2);
  } catch (const hft::error&) {
  }
  return 0;
}
