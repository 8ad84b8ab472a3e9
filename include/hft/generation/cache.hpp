// Caches: a list of layers, made from the config's layer types. DynamicCache grows, StaticCache has its room from the
// start, SlidingWindowCache forgets. A cache is an argument of the forward pass; the model stays const.
// (transformers.cache_utils)
#pragma once
#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <hft/generation/cache_layer.hpp>

namespace hft {

namespace detail {
void check_cache(const CacheOptions& options, const char* where);
}

/// One layer object for each layer, made where it is first used.
template <Scalar A = f32, BaseDevice D = cpu>
class LayeredCache : public Cache<A, D> {
 public:
  using typename Cache<A, D>::tensor;
  using typename Cache<A, D>::view;

  /// Throws value_error for an unknown type, or a window or room below 0, or no window where one is needed. `where`
  /// names the cache.
  explicit LayeredCache(CacheOptions options, const char* where = "LayeredCache") : options_(std::move(options)) {
    detail::check_cache(options_, where);
  }

  view update(isize layer, const tensor& keys, const tensor& values) override { return at(layer).update(keys, values); }
  view& cross(isize layer) override {
    if (layer >= isize(cross_.size())) cross_.resize(std::size_t(layer) + 1);
    return cross_[std::size_t(layer)];
  }
  /// Where no types were given, a layer is what is first asked of it.
  recurrent_state<A, D>& state(isize layer) override {
    if (options_.layer_types.empty() && layer == isize(layers_.size()))
      layers_.push_back(std::make_unique<RecurrentLayer<A, D>>());
    return at(layer).state();
  }

  void reorder(std::span<const isize> rows) override {
    for (auto& l : layers_) l->reorder(rows);
    for (auto& c : cross_) c = {detail::reordered(c.keys, rows), detail::reordered(c.values, rows), c.first};
  }
  isize get_seq_length() const override {
    isize length = 0;
    for (const auto& l : layers_) length = std::max(length, l->get_seq_length());
    return length;
  }
  isize get_max_cache_shape() const override {
    const auto& types = options_.layer_types;
    const bool full = types.empty() || std::find(types.begin(), types.end(), "full_attention") != types.end();
    return full ? options_.max_cache_len : 0;
  }

  void crop(isize length) override {
    if (length < 0 || length > get_seq_length())
      throw value_error("Cache::crop", "length", detail::joined("0 to ", get_seq_length()), detail::joined(length));
    for (auto& l : layers_) l->crop(length);
  }
  /// Forgets everything; what has its room from the start keeps it.
  void reset() override {
    for (auto& l : layers_) l->reset();
    cross_.clear();
  }

 private:
  CacheLayer<A, D>& at(isize layer) {
    while (layer >= isize(layers_.size())) layers_.push_back(made(layers_.size()));
    return *layers_[std::size_t(layer)];
  }
  std::unique_ptr<CacheLayer<A, D>> made(std::size_t layer) const {
    const auto& types = options_.layer_types;
    const std::string type = types.empty() ? "full_attention" : types[std::min(layer, types.size() - 1)];
    if (type == "sliding_attention") return std::make_unique<SlidingWindowLayer<A, D>>(options_.sliding_window);
    if (type == "linear_attention") return std::make_unique<RecurrentLayer<A, D>>();
    if (options_.max_cache_len) return std::make_unique<StaticLayer<A, D>>(options_.max_cache_len);
    return std::make_unique<DynamicLayer<A, D>>();
  }

  CacheOptions options_;
  std::vector<std::unique_ptr<CacheLayer<A, D>>> layers_;
  std::vector<view> cross_;
};

/// Grows by doubling; the default of generate. (transformers.DynamicCache)
template <Scalar A = f32, BaseDevice D = cpu>
class DynamicCache final : public LayeredCache<A, D> {
 public:
  DynamicCache() : LayeredCache<A, D>(CacheOptions()) {}
};

/// Has room for `max_cache_len` tokens, taken on first use; more are an error. (transformers.StaticCache)
template <Scalar A = f32, BaseDevice D = cpu>
class StaticCache final : public LayeredCache<A, D> {
 public:
  /// Throws value_error for a room below 1.
  explicit StaticCache(isize max_cache_len) : LayeredCache<A, D>({.max_cache_len = checked(max_cache_len)}) {}

 private:
  static isize checked(isize n) {
    if (n < 1) throw value_error("StaticCache", "max_cache_len", "at least 1", detail::joined(n));
    return n;
  }
};

/// Keeps what a sliding window of `window` tokens can still see, for models whose every layer has that window: memory
/// stays bounded however long the text.
template <Scalar A = f32, BaseDevice D = cpu>
class SlidingWindowCache final : public LayeredCache<A, D> {
 public:
  /// Throws value_error for a window below 1.
  explicit SlidingWindowCache(isize window)
      : LayeredCache<A, D>({.layer_types = {"sliding_attention"}, .sliding_window = window}, "SlidingWindowCache") {}
};

HFT_COMPILED_IN(MODELS, class LayeredCache<f32, cpu>)

#if HFT_DEFINES(MODELS)

HFT_INLINE_ONCE void detail::check_cache(const CacheOptions& options, const char* where) {
  if (options.max_cache_len < 0) throw value_error(where, "max_cache_len", "at least 1", joined(options.max_cache_len));
  for (const auto& type : options.layer_types) {
    if (type != "full_attention" && type != "sliding_attention" && type != "linear_attention")
      throw value_error(where, "layer type", "full_attention, sliding_attention or linear_attention", type);
    if (type == "sliding_attention" && options.sliding_window < 1)
      throw value_error(where, "window", "at least 1", joined(options.sliding_window));
  }
}

#endif  // HFT_DEFINES

}  // namespace hft
