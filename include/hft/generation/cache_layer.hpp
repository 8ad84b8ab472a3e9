// What a cache holds of one layer: DynamicLayer grows, StaticLayer has its room from the start, SlidingWindowLayer
// forgets, RecurrentLayer keeps a state. (transformers.cache_utils)
#pragma once
#include <algorithm>
#include <initializer_list>
#include <span>
#include <utility>
#include <vector>

#include <hft/layers/cache.hpp>
#include <hft/ops/copy.hpp>

namespace hft {

/// One layer of a cache.
template <Scalar A, BaseDevice D = cpu>
class CacheLayer {
 public:
  using tensor = Tensor<A, 4, D>;
  using view = kv_view<A, D>;

  virtual ~CacheLayer() = default;

  /// As Cache::update. Throws unsupported_error where the layer has a state instead.
  virtual view update(const tensor& keys, const tensor& values) = 0;
  /// As Cache::state.
  virtual recurrent_state<A, D>& state() {
    throw unsupported_error("Cache::state", "layer", "a layer of type linear_attention", "one with keys and values");
  }
  virtual isize get_seq_length() const = 0;
  virtual isize get_max_cache_shape() const { return 0; }
  /// Row i becomes what row rows[i] was. Throws value_error for rows that are not.
  virtual void reorder(std::span<const isize> rows) = 0;
  /// Forgets all tokens from `length` on; check_crop has said that it can.
  virtual void crop(isize length) = 0;
  /// Throws unsupported_error where the tokens before `length`, which is not 0, are no longer complete.
  virtual void check_crop(isize /*length*/) const {}
  virtual void reset() = 0;
  /// Rows of the batch; 0 where nothing is held.
  virtual isize batch_size() const { return 0; }
};

namespace detail {

// Whether rows is 0, 1, ..., batch - 1. Throws value_error where it names rows that are not.
inline bool checked_identity(std::span<const isize> rows, isize batch) {
  bool identity = isize(rows.size()) == batch;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i] < 0 || rows[i] >= batch)
      throw value_error("Cache::reorder", "row", joined("0 <= row < ", batch), joined(rows[i]));
    identity = identity && rows[i] == isize(i);
  }
  return identity;
}

// Row i of `to` (rows, ...) becomes row rows[i] of `from` (B, ...).
template <Scalar A, BaseDevice D>
void copy_rows(const Tensor<A, 4, D>& to, const Tensor<A, 4, D>& from, std::span<const isize> rows) {
  for (isize b = 0; b < to.extent(0); ++b) {
    const isize row = rows[std::size_t(b)];
    copy_into(to.slice(0, b, b + 1), from.slice(0, row, row + 1));
  }
}

// x (B, ...) with its rows in another order; itself where nothing changes.
template <Scalar A, BaseDevice D>
Tensor<A, 4, D> reordered(const Tensor<A, 4, D>& x, std::span<const isize> rows) {
  if (!x || checked_identity(rows, x.extent(0))) return x;
  const Tensor<A, 4, D> y({isize(rows.size()), x.extent(1), x.extent(2), x.extent(3)});
  copy_rows(y, x, rows);
  return y;
}

// How many tokens rows have in common for certain, because they came from one by reordering.
class common_beginnings {
 public:
  isize operator()(isize a, isize b, isize rows) const {
    return rows == rows_ ? tokens_[std::size_t(a * rows_ + b)] : 0;
  }
  // Row i became what row rows[i] of `held` was, all of them of `length` tokens.
  void follow(std::span<const isize> rows, isize held, isize length) {
    const isize n = isize(rows.size());
    if (n > most) {
      rows_ = 0;
      return;
    }
    next_.resize(std::size_t(n * n));
    for (isize i = 0; i < n; ++i)
      for (isize j = 0; j < n; ++j) {
        const isize a = rows[std::size_t(i)], b = rows[std::size_t(j)];
        next_[std::size_t(i * n + j)] = a == b ? length : (*this)(a, b, held);
      }
    tokens_.swap(next_);
    rows_ = n;
  }
  void crop(isize length) {
    for (isize& t : tokens_) t = std::min(t, length);
  }

 private:
  static constexpr isize most = 64;  // rows, beyond which the table would cost more than it saves
  isize rows_ = 0;
  std::vector<isize> tokens_, next_;  // (rows, rows)
};

// Keys and values in memory (B,Hk,room,D), so that a head's keys lie together; `begin` to `end` are in use.
template <Scalar A, BaseDevice D>
class kv_layer : public CacheLayer<A, D> {
 public:
  using typename CacheLayer<A, D>::tensor;
  using typename CacheLayer<A, D>::view;

  isize get_seq_length() const override { return first_ + end_ - begin_; }
  /// Beams of one prompt say mostly the same: of a row that takes another's place only what differs is copied.
  void reorder(std::span<const isize> rows) override {
    if (!keys_ || checked_identity(rows, keys_.extent(0))) return;
    const isize held = keys_.extent(0), length = get_seq_length();
    if (isize(rows.size()) == held) {
      copy_differing(rows);
    } else {
      const auto moved = [&](const tensor& old) {
        const tensor t = memory({isize(rows.size()), old.extent(1), old.extent(2), old.extent(3)});
        copy_rows(t.slice(2, begin_, end_), old.slice(2, begin_, end_), rows);
        return t;
      };
      keys_ = moved(keys_);
      values_ = moved(values_);
    }
    common_.follow(rows, held, length);
  }
  void crop(isize length) override {
    end_ = std::min(end_, begin_ + std::max<isize>(0, length - first_));
    common_.crop(length);
  }
  void reset() override { keys_ = values_ = {}, first_ = begin_ = end_ = 0, common_ = {}; }
  isize batch_size() const override { return keys_ ? keys_.extent(0) : 0; }

  // What is held, (B,Hk,S,D), and the position of its first token.
  std::pair<tensor, tensor> held() const {
    if (!keys_) return {};
    return {keys_.slice(2, begin_, end_), values_.slice(2, begin_, end_)};
  }
  isize first() const { return first_; }
  // Takes keys and values (B,Hk,room,D) as they lie, whose first `tokens` are in use, from position `first` on.
  void hold(const tensor& keys, const tensor& values, isize first, isize tokens) {
    keys_ = keys, values_ = values, first_ = first, begin_ = 0, end_ = tokens, common_ = {};
  }

 protected:
  // Where keys or values are to lie.
  virtual tensor memory(const Shape<4>& shape) const { return tensor(shape); }
  // Throws shape_error unless k and v continue what is held.
  void check(const char* where, const tensor& k, const tensor& v) const {
    const auto fits = [](const tensor& held, const tensor& t) {
      return !held || (held.extent(0) == t.extent(0) && held.extent(1) == t.extent(2) && held.extent(3) == t.extent(3));
    };
    if (!fits(keys_, k) || !fits(values_, v))
      throw shape_error(where, "keys and values",
                        joined("batch, heads and head size as cached, ", shape_text(keys_.shape())),
                        joined(shape_text(k.shape()), " and ", shape_text(v.shape())));
  }
  isize room() const { return keys_ ? keys_.extent(2) : 0; }
  // Moves the tokens in use to new memory of so many tokens.
  void resize(isize room, const tensor& like_keys, const tensor& like_values) {
    const auto grown = [&](const tensor& old, const tensor& like) {
      const tensor t = memory({like.extent(0), like.extent(2), room, like.extent(3)});
      if (end_ > begin_) copy_into(tokens(t, 0, end_ - begin_), tokens(old, begin_, end_));
      return t;
    };
    keys_ = grown(keys_, like_keys);
    values_ = grown(values_, like_values);
    end_ -= begin_, begin_ = 0;
  }
  view append(const tensor& k, const tensor& v) {
    const isize T = k.extent(1);
    copy_into(tokens(keys_, end_, end_ + T), k);
    copy_into(tokens(values_, end_, end_ + T), v);
    end_ += T;
    return {tokens(keys_, begin_, end_), tokens(values_, begin_, end_), first_};
  }
  // Forgets the first n tokens in use.
  void forget(isize n) { begin_ += n, first_ += n; }

  tensor keys_, values_;
  isize first_ = 0;            // the position of the first token in use
  isize begin_ = 0, end_ = 0;  // where the tokens in use lie

 private:
  // Row i becomes row rows[i] of as many. Rows that are themselves replaced are copied aside first.
  void copy_differing(std::span<const isize> rows) {
    const auto differing = [&](const tensor& t, isize row, isize other) {
      const isize same = std::max<isize>(0, common_(row, other, keys_.extent(0)) - first_);
      return t.slice(0, row, row + 1).slice(2, std::min(begin_ + same, end_), end_);
    };
    const auto is_replaced = [&](isize row) { return rows[std::size_t(row)] != row; };
    isize aside_tokens = 0;
    for (isize i = 0; i < isize(rows.size()); ++i)
      if (const isize from = rows[std::size_t(i)]; is_replaced(i) && is_replaced(from))
        aside_tokens = std::max(aside_tokens, differing(keys_, from, i).extent(2));
    for (const tensor* t : {&keys_, &values_}) {
      tensor aside;
      if (aside_tokens > 0) aside = tensor({isize(rows.size()), t->extent(1), aside_tokens, t->extent(3)});
      for (const bool first : {true, false})
        for (isize i = 0; i < isize(rows.size()); ++i) {
          const isize from = rows[std::size_t(i)];
          if (!is_replaced(i)) continue;
          const auto source = differing(*t, from, i), target = differing(*t, i, from);
          if (source.extent(2) == 0) continue;
          if (!is_replaced(from)) {
            if (!first) copy_into(target, source);
            continue;
          }
          const auto kept = aside.slice(0, i, i + 1).slice(2, 0, source.extent(2));
          first ? copy_into(kept, source) : copy_into(target, kept);
        }
    }
  }
  common_beginnings common_;

  static tensor tokens(const tensor& t, isize from, isize to) {
    return t.slice(2, from, to).permute({0, 2, 1, 3});  // (B,S,Hk,D)
  }
};

}  // namespace detail

/// Grows by doubling.
template <Scalar A = f32, BaseDevice D = cpu>
class DynamicLayer : public detail::kv_layer<A, D> {
 public:
  using typename CacheLayer<A, D>::tensor;
  using typename CacheLayer<A, D>::view;

  view update(const tensor& keys, const tensor& values) override {
    this->check("DynamicCache", keys, values);
    const isize needed = this->end_ + keys.extent(1), room = this->room();
    if (needed > room) this->resize(std::max((needed + 63) / 64 * 64, 2 * room), keys, values);
    return this->append(keys, values);
  }
};

/// Has room for so many tokens, taken on first use; more are an error.
template <Scalar A = f32, BaseDevice D = cpu>
class StaticLayer : public detail::kv_layer<A, D> {
 public:
  using typename CacheLayer<A, D>::tensor;
  using typename CacheLayer<A, D>::view;

  explicit StaticLayer(isize max_cache_len) : max_(max_cache_len) {}

  /// Throws value_error where the tokens do not fit.
  view update(const tensor& keys, const tensor& values) override {
    this->check("StaticCache", keys, values);
    if (this->end_ + keys.extent(1) > max_)
      throw value_error("StaticCache", "tokens", detail::joined("at most max_cache_len = ", max_),
                        detail::joined(this->end_ + keys.extent(1)));
    if (this->room() != max_) this->resize(max_, keys, values);
    return this->append(keys, values);
  }
  isize get_max_cache_shape() const override { return max_; }
  /// Forgets all tokens and keeps the memory.
  void reset() override { this->crop(0); }

 private:
  isize max_;
};

/// Keeps what a sliding window of so many tokens can still see. (transformers.DynamicSlidingWindowLayer)
template <Scalar A = f32, BaseDevice D = cpu>
class SlidingWindowLayer : public detail::kv_layer<A, D> {
 public:
  using typename CacheLayer<A, D>::tensor;
  using typename CacheLayer<A, D>::view;

  explicit SlidingWindowLayer(isize window) : window_(window) {}
  isize window() const { return window_; }

  view update(const tensor& keys, const tensor& values) override {
    this->check("SlidingWindowCache", keys, values);
    const isize T = keys.extent(1), room = this->room();
    // The first of the new tokens still sees window - 1 older ones.
    this->forget(std::max<isize>(0, this->end_ - this->begin_ - (window_ - 1)));
    if (this->end_ + T > room) this->resize(std::max(room, 2 * window_ + T), keys, values);
    return this->append(keys, values);
  }
  void check_crop(isize length) const override {
    if (length < this->get_seq_length() && this->first_ > std::max<isize>(0, length - (window_ - 1)))
      throw unsupported_error("Cache::crop", "a sliding window", "tokens that it has not forgotten",
                              detail::joined("a length of ", length, " where the first kept is ", this->first_));
  }

 private:
  isize window_;
};

/// The state of a layer that has no keys and values.
template <Scalar A = f32, BaseDevice D = cpu>
class RecurrentLayer final : public CacheLayer<A, D> {
 public:
  using typename CacheLayer<A, D>::tensor;
  using typename CacheLayer<A, D>::view;

  view update(const tensor&, const tensor&) override {
    throw unsupported_error("Cache::update", "layer", "a layer with keys and values", "one of type linear_attention");
  }
  recurrent_state<A, D>& state() override { return state_; }
  isize get_seq_length() const override { return state_.tokens; }
  void reorder(std::span<const isize> rows) override {
    for (auto& [name, t] : state_.tensors) t = detail::reordered(t, rows);
  }
  void crop(isize) override {}
  void check_crop(isize length) const override {
    if (length != state_.tokens)
      throw unsupported_error("Cache::crop", "a recurrent state", "the length that it has, or 0",
                              detail::joined(length, " of ", state_.tokens));
  }
  void reset() override { state_ = {}; }
  isize batch_size() const override {
    for (const auto& [name, t] : state_.tensors)
      if (t) return t.extent(0);
    return 0;
  }

 private:
  recurrent_state<A, D> state_;
};

HFT_COMPILED_IN(MODELS, Tensor<f32, 4> detail::reordered(const Tensor<f32, 4>&, std::span<const isize>))
HFT_COMPILED_IN(MODELS, class detail::kv_layer<f32, cpu>)
HFT_COMPILED_IN(MODELS, class DynamicLayer<f32, cpu>)
HFT_COMPILED_IN(MODELS, class StaticLayer<f32, cpu>)
HFT_COMPILED_IN(MODELS, class SlidingWindowLayer<f32, cpu>)
HFT_COMPILED_IN(MODELS, class RecurrentLayer<f32, cpu>)

}  // namespace hft
