// The cache that GenerationConfig::cache_implementation names: a program compiles those whose header it includes, which
// enters them here. hft::compiled has all.
#pragma once
#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include <hft/generation/cache.hpp>
#include <hft/io/json.hpp>
#include <hft/linkage.hpp>
#include <hft/models/generation_config.hpp>

namespace hft::detail {

/// Null where the program has not included the header.
template <Scalar A, BaseDevice D>
struct cache_kinds {
  using maker = std::unique_ptr<Cache<A, D>> (*)(CacheOptions model, const json& config);
  inline static maker quantized = nullptr;
  inline static maker offloaded = nullptr;
};

/// What a name asks for; `room` tokens are to come.
struct cache_choice {
  bool quantized = false, offloaded = false;
  isize max_cache_len = 0;  // 0: it grows

  cache_choice(const GenerationConfig& config, isize room);
  /// Throws unsupported_error for one whose header is missing.
  [[noreturn]] void fail() const;
};

template <Scalar A, BaseDevice D>
std::unique_ptr<Cache<A, D>> make_cache(const GenerationConfig& config, CacheOptions model, isize room) {
  const cache_choice choice(config, room);
  model.max_cache_len = choice.max_cache_len;
  if (!choice.quantized && !choice.offloaded) return std::make_unique<LayeredCache<A, D>>(std::move(model));
  const auto made = choice.quantized ? cache_kinds<A, D>::quantized : cache_kinds<A, D>::offloaded;
  if (!made) choice.fail();
  return made(std::move(model), config.cache_config);
}

#if HFT_DEFINES(MODELS)

HFT_INLINE_ONCE cache_choice::cache_choice(const GenerationConfig& config, isize room) {
  const std::string kind = config.cache_implementation.value_or("dynamic");
  if (kind == "paged")
    throw unsupported_error("generate", "cache_implementation",
                            "dynamic, static, offloaded, offloaded_static, quantized", kind);
  quantized = kind == "quantized";
  offloaded = kind.starts_with("offloaded");
  if (kind == "static" || kind == "offloaded_static") max_cache_len = std::max(room, config.max_cache_len.value_or(0));
}

HFT_INLINE_ONCE void cache_choice::fail() const {
  throw unsupported_error("generate", "cache_implementation",
                          joined("#include <hft/generation/", quantized ? "quantized" : "offloaded",
                                 "_cache.hpp>, and a model that computes in f32 on the host"),
                          "a program without it, or another model: give it past_key_values");
}

#endif  // HFT_DEFINES

}  // namespace hft::detail
