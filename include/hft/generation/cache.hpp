// Key-value caches: DynamicCache grows, StaticCache has its room from the start, SlidingWindowCache forgets.
// A cache is an argument of the forward pass; the model stays const. (transformers.cache_utils)
#pragma once
#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include <hft/layers/cache.hpp>
#include <hft/ops/copy.hpp>

namespace hft {

namespace detail {

// Keys and values of one layer, (B,Hk,room,D) each, so that a head's keys lie together.
template <Scalar A, BaseDevice D>
struct cached_layer {
  Tensor<A, 4, D> keys, values;
  isize begin = 0, end = 0;  // the tokens in use

  static Tensor<A, 4, D> view(const Tensor<A, 4, D>& t, isize from, isize to) {
    return t.slice(2, from, to).permute({0, 2, 1, 3});  // (B,S,Hk,D)
  }
  std::pair<Tensor<A, 4, D>, Tensor<A, 4, D>> used() const {
    return {view(keys, begin, end), view(values, begin, end)};
  }

  void append(const Tensor<A, 4, D>& k, const Tensor<A, 4, D>& v) {
    const isize T = k.extent(1);
    copy_into(view(keys, end, end + T), k);
    copy_into(view(values, end, end + T), v);
    end += T;
  }
  // Moves the tokens in use to new memory, or to the front of the old one.
  void resize(isize room, const Tensor<A, 4, D>& like_keys, const Tensor<A, 4, D>& like_values) {
    const auto grown = [&](const Tensor<A, 4, D>& old, const Tensor<A, 4, D>& like) {
      Tensor<A, 4, D> t({like.extent(0), like.extent(2), room, like.extent(3)});
      if (end > begin) copy_into(view(t, 0, end - begin), view(old, begin, end));
      return t;
    };
    keys = grown(keys, like_keys);
    values = grown(values, like_values);
    end -= begin;
    begin = 0;
  }
  // Row i becomes what row rows[i] was.
  void reorder(std::span<const isize> rows) {
    const auto reordered = [&](const Tensor<A, 4, D>& old) {
      Tensor<A, 4, D> t({isize(rows.size()), old.extent(1), old.extent(2), old.extent(3)});
      for (isize b = 0; b < t.extent(0); ++b) {
        const isize from = rows[std::size_t(b)];
        copy_into(view(t.slice(0, b, b + 1), begin, end), view(old.slice(0, from, from + 1), begin, end));
      }
      return t;
    };
    keys = reordered(keys);
    values = reordered(values);
  }
};

// Whether rows is 0, 1, ..., batch - 1; and a value_error where it names rows that are not.
inline bool checked_identity(const char* where, std::span<const isize> rows, isize batch) {
  bool identity = isize(rows.size()) == batch;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] < 0 || rows[i] >= batch) throw value_error(where, "row", joined("0 <= row < ", batch), joined(rows[i]));
    identity = identity && rows[i] == isize(i);
  }
  return identity;
}

template <Scalar A, BaseDevice D>
void reorder_layers(const char* where, std::vector<cached_layer<A, D>>& layers, std::span<const isize> rows) {
  for (auto& l : layers)
    if (l.keys && !checked_identity(where, rows, l.keys.extent(0))) l.reorder(rows);
}

template <class Layer, class T>
void check_cache_input(const char* where, const Layer& layer, const T& k, const T& v) {
  const auto fits = [](const T& held, const T& t) {
    return !held || (held.extent(0) == t.extent(0) && held.extent(1) == t.extent(2) && held.extent(3) == t.extent(3));
  };
  if (!fits(layer.keys, k) || !fits(layer.values, v))
    throw shape_error(where, "keys and values",
                      joined("batch, heads and head size as cached, ", shape_text(layer.keys.shape())),
                      joined(shape_text(k.shape()), " and ", shape_text(v.shape())));
}

}  // namespace detail

/// Grows by doubling; the default of generate. (transformers.DynamicCache)
template <Scalar A = f32, BaseDevice D = cpu>
class DynamicCache final : public Cache<A, D> {
 public:
  using typename Cache<A, D>::tensor;

  std::pair<tensor, tensor> update(isize layer, const tensor& keys, const tensor& values) override {
    if (layer >= isize(layers_.size())) layers_.resize(std::size_t(layer) + 1);
    auto& l = layers_[std::size_t(layer)];
    detail::check_cache_input("DynamicCache", l, keys, values);
    const isize T = keys.extent(1), room = l.keys ? l.keys.extent(2) : 0;
    if (l.end + T > room) l.resize(std::max((l.end + T + 63) / 64 * 64, 2 * room), keys, values);
    l.append(keys, values);
    return l.used();
  }
  void reorder(std::span<const isize> rows) override { detail::reorder_layers("DynamicCache::reorder", layers_, rows); }
  isize get_seq_length() const override { return layers_.empty() ? 0 : layers_[0].end; }

  /// Forgets all tokens from `length` on. Throws value_error if there are fewer.
  void crop(isize length) {
    if (length < 0 || length > get_seq_length())
      throw value_error("DynamicCache::crop", "length", detail::joined("0 to ", get_seq_length()),
                        detail::joined(length));
    for (auto& l : layers_) l.end = length;
  }
  void reset() { layers_.clear(); }

 private:
  std::vector<detail::cached_layer<A, D>> layers_;
};

/// Has room for `max_cache_len` tokens, taken on first use; more are an error. (transformers.StaticCache)
template <Scalar A = f32, BaseDevice D = cpu>
class StaticCache final : public Cache<A, D> {
 public:
  using typename Cache<A, D>::tensor;

  explicit StaticCache(isize max_cache_len) : room_(max_cache_len) {
    if (room_ < 1) throw value_error("StaticCache", "max_cache_len", "at least 1", detail::joined(room_));
  }

  /// Throws value_error where the tokens do not fit.
  std::pair<tensor, tensor> update(isize layer, const tensor& keys, const tensor& values) override {
    if (layer >= isize(layers_.size())) layers_.resize(std::size_t(layer) + 1);
    auto& l = layers_[std::size_t(layer)];
    detail::check_cache_input("StaticCache", l, keys, values);
    if (l.end + keys.extent(1) > room_)
      throw value_error("StaticCache", "tokens", detail::joined("at most max_cache_len = ", room_),
                        detail::joined(l.end + keys.extent(1)));
    if (!l.keys) l.resize(room_, keys, values);
    l.append(keys, values);
    return l.used();
  }
  void reorder(std::span<const isize> rows) override { detail::reorder_layers("StaticCache::reorder", layers_, rows); }
  isize get_seq_length() const override { return layers_.empty() ? 0 : layers_[0].end; }
  isize get_max_cache_shape() const override { return room_; }
  /// Forgets all tokens and keeps the memory.
  void reset() {
    for (auto& l : layers_) l.end = 0;
  }

 private:
  isize room_;
  std::vector<detail::cached_layer<A, D>> layers_;
};

/// Keeps what a sliding window of `window` tokens can still see, for models whose every layer has that window: memory
/// stays bounded however long the text. (transformers.DynamicSlidingWindowLayer)
template <Scalar A = f32, BaseDevice D = cpu>
class SlidingWindowCache final : public Cache<A, D> {
 public:
  using typename Cache<A, D>::tensor;

  explicit SlidingWindowCache(isize window) : window_(window) {
    if (window_ < 1) throw value_error("SlidingWindowCache", "window", "at least 1", detail::joined(window_));
  }

  std::pair<tensor, tensor> update(isize layer, const tensor& keys, const tensor& values) override {
    if (layer >= isize(layers_.size())) layers_.resize(std::size_t(layer) + 1);
    auto& l = layers_[std::size_t(layer)];
    detail::check_cache_input("SlidingWindowCache", l, keys, values);
    const isize T = keys.extent(1), room = l.keys ? l.keys.extent(2) : 0;
    // The first of the new tokens still sees window - 1 older ones.
    l.begin = std::max(l.begin, l.end - (window_ - 1));
    if (l.end + T > room) l.resize(std::max(room, 2 * window_ + T), keys, values);
    l.append(keys, values);
    if (layer == 0) seen_ += T;
    return l.used();
  }
  void reorder(std::span<const isize> rows) override {
    detail::reorder_layers("SlidingWindowCache::reorder", layers_, rows);
  }
  isize get_seq_length() const override { return seen_; }
  void reset() {
    layers_.clear();
    seen_ = 0;
  }

 private:
  isize window_, seen_ = 0;
  std::vector<detail::cached_layer<A, D>> layers_;
};

}  // namespace hft
