// Caches: a list of layers, made from the config's layer types. DynamicCache grows, StaticCache has its room from the
// start, SlidingWindowCache forgets. A cache is an argument of the forward pass; the model stays const. Further kinds,
// each in a header of its own, are quantized_cache.hpp, offloaded_cache.hpp, shared_prefix.hpp and prefix_cache.hpp;
// saved_cache.hpp writes and reads any of them.
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
    this->set_model(options_.model);
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
    if (cross_.empty() || !follow_sources(rows)) return;
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

  isize batch_size() const override {
    isize rows = 0;
    for (const auto& l : layers_) rows = std::max(rows, l->batch_size());
    return rows;
  }

  void crop(isize length) override {
    if (length < 0 || length > get_seq_length())
      throw value_error("Cache::crop", "length", detail::joined("0 to ", get_seq_length()), detail::joined(length));
    if (length > 0)
      for (const auto& l : layers_) l->check_crop(length);  // all of them, before one has changed
    for (auto& l : layers_) length > 0 ? l->crop(length) : l->reset();
  }
  /// Forgets everything; what has its room from the start keeps it.
  void reset() override {
    for (auto& l : layers_) l->reset();
    cross_.clear();
    sources_.clear();
  }

  // ---- what it consists of, for who saves or shares it
  using layer_pointer = std::unique_ptr<CacheLayer<A, D>>;
  const CacheOptions& options() const { return options_; }
  std::vector<layer_pointer>& layers() { return layers_; }
  const std::vector<layer_pointer>& layers() const { return layers_; }
  std::vector<view>& crosses() { return cross_; }
  const std::vector<view>& crosses() const { return cross_; }
  /// The layer of that number, made as its type says where there is none yet.
  CacheLayer<A, D>& at(isize layer) {
    while (layer >= isize(layers_.size())) {
      const auto& types = options_.layer_types;
      layers_.push_back(
          make_layer(types.empty() ? "full_attention" : types[std::min(layers_.size(), types.size() - 1)]));
    }
    return *layers_[std::size_t(layer)];
  }

 protected:
  /// A layer of a type: what other kinds of caches make in another way.
  virtual layer_pointer make_layer(const std::string& type) const {
    if (type == "sliding_attention") return std::make_unique<SlidingWindowLayer<A, D>>(options_.sliding_window);
    if (type == "linear_attention") return std::make_unique<RecurrentLayer<A, D>>();
    if (options_.max_cache_len) return std::make_unique<StaticLayer<A, D>>(options_.max_cache_len);
    return std::make_unique<DynamicLayer<A, D>>();
  }

 private:
  // Whether rows are now of other sources than before: those of beams that change places are not.
  bool follow_sources(std::span<const isize> rows) {
    const auto source = [&](isize row) { return row < isize(sources_.size()) ? sources_[std::size_t(row)] : row; };
    bool same = rows.size() == sources_.size();
    for (std::size_t i = 0; same && i < rows.size(); ++i) same = source(rows[i]) == sources_[i];
    if (same) return false;
    std::vector<isize> next;
    for (const isize row : rows) next.push_back(source(row));
    sources_ = std::move(next);
    return true;
  }
  CacheOptions options_;
  std::vector<std::unique_ptr<CacheLayer<A, D>>> layers_;
  std::vector<view> cross_;
  std::vector<isize> sources_;  // of the rows of cross_, once they were reordered: what rows they were at first
};

/// Grows by doubling; the default of generate. Made of model.cache_options(), layers with a window keep what it shows,
/// and recurrent ones a state, each as its type says (Gemma 3, GPT-OSS, Qwen3-Next). (transformers.DynamicCache)
template <Scalar A = f32, BaseDevice D = cpu>
class DynamicCache : public LayeredCache<A, D> {
 public:
  DynamicCache() : LayeredCache<A, D>(CacheOptions()) {}
  /// Throws value_error as LayeredCache does.
  explicit DynamicCache(CacheOptions model) : LayeredCache<A, D>(std::move(model), "DynamicCache") {}
};

/// The cache of a decoder beside an encoder: what its tokens left, and what its layers made of the encoder's, once.
/// Every cache has places for both; the name is for who looks for it. (transformers.EncoderDecoderCache)
template <Scalar A = f32, BaseDevice D = cpu>
class EncoderDecoderCache : public DynamicCache<A, D> {
 public:
  using DynamicCache<A, D>::DynamicCache;
  /// Whether a layer has the keys and values of the encoder's tokens.
  bool is_updated(isize layer) { return bool(this->cross(layer).keys); }
};

/// Has room for `max_cache_len` tokens, taken on first use; more are an error. Of `model` as DynamicCache.
/// (transformers.StaticCache)
template <Scalar A = f32, BaseDevice D = cpu>
class StaticCache : public LayeredCache<A, D> {
 public:
  /// Throws value_error for a room below 1, and as LayeredCache does.
  explicit StaticCache(isize max_cache_len, CacheOptions model = {})
      : LayeredCache<A, D>(with_room(std::move(model), max_cache_len), "StaticCache") {}

 private:
  static CacheOptions with_room(CacheOptions model, isize n) {
    if (n < 1) throw value_error("StaticCache", "max_cache_len", "at least 1", detail::joined(n));
    model.max_cache_len = n;
    return model;
  }
};

/// Keeps what a sliding window of `window` tokens can still see, for models whose every layer has that window: memory
/// stays bounded however long the text.
template <Scalar A = f32, BaseDevice D = cpu>
class SlidingWindowCache : public LayeredCache<A, D> {
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
