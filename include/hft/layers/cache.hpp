// What layers ask of a cache. The caches themselves are in generation/cache.hpp.
#pragma once
#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/linkage.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// The numbers by which the cache of another model is known; 0 where a model has no such number.
struct CachedModel {
  isize num_hidden_layers = 0, hidden_size = 0, num_attention_heads = 0, num_key_value_heads = 0, head_dim = 0,
        sliding_window = 0;

  /// The same in this order, and what they are called in a config.
  std::array<isize, 6> values() const {
    return {num_hidden_layers, hidden_size, num_attention_heads, num_key_value_heads, head_dim, sliding_window};
  }
  static constexpr std::array<const char*, 6> names = {"num_hidden_layers",   "hidden_size", "num_attention_heads",
                                                       "num_key_value_heads", "head_dim",    "sliding_window"};
  friend bool operator==(const CachedModel&, const CachedModel&) = default;
};

/// Of which layers a cache consists.
struct CacheOptions {
  // full_attention, sliding_attention, linear_attention, as config.layer_types; layers behind the last are like it, and
  // all are full_attention where there is none
  std::vector<std::string> layer_types = {};
  isize sliding_window = 0;  // of sliding_attention
  isize max_cache_len = 0;   // of full_attention; 0: it grows
  // Of a model whose keys are others once there are more tokens than this, as longrope's frequencies are: generation
  // then computes all of them again, where Transformers does. 0: it never does
  isize renewed_after = 0;
  CachedModel model = {};  // whose layers they are, where that is known
};

/// What of a cache depends neither on its element type nor on its device; what generate asks of it.
class CacheBase {
 public:
  virtual ~CacheBase() = default;

  /// The number of tokens that have gone through it, forgotten ones included: the next token's position.
  virtual isize get_seq_length() const = 0;

  /// How many tokens it can ever take in, or 0 where it grows.
  virtual isize get_max_cache_shape() const { return 0; }

  /// Forgets everything. Throws unsupported_error unless the cache can.
  virtual void reset() { throw unsupported_error("Cache::reset", "a new beginning", "a cache that can be emptied"); }

  /// Forgets all tokens from `length` on. Throws value_error if there are fewer, unsupported_error where a layer no
  /// longer has what those before it need, or the cache cannot.
  virtual void crop(isize /*length*/) {
    throw unsupported_error("Cache::crop", "tokens to forget", "a cache that can be cropped");
  }

  /// Makes row i of the batch what row rows[i] was; the batch gets as many rows as `rows` has. For beam search and for
  /// several samples of one prompt. (transformers.Cache.reorder_cache)
  /// Throws unsupported_error unless the cache can.
  virtual void reorder(std::span<const isize>) {
    throw unsupported_error("Cache::reorder", "beams or several samples of a prompt", "a cache that can be reordered");
  }

  /// Rows of the batch; 0 before the first token, and where a cache does not say.
  virtual isize batch_size() const { return 0; }
  /// Makes of each row `repeats` rows, one behind the other. Throws value_error for fewer than 1, and as reorder does.
  void batch_repeat_interleave(isize repeats);
  /// Keeps these rows of the batch, in this order. Throws as reorder does.
  void batch_select_indices(std::span<const isize> rows) { reorder(rows); }

  /// The ids that each row holds, -1 for hidden ones, where the cache remembers them (PrefixCache), else null.
  virtual std::vector<std::vector<i64>>* token_ids() { return nullptr; }
  const std::vector<std::vector<i64>>* token_ids() const { return const_cast<CacheBase*>(this)->token_ids(); }

  /// Called by a model before anything else of a pass: an empty cache becomes that model's. Throws value_error, which
  /// says what differs, where it holds tokens of another model. Models with equal numbers are not told apart.
  void check_model(const CachedModel& model, const char* where);
  /// Whose tokens it holds, where that is known.
  const CachedModel& model() const { return model_; }
  void set_model(const CachedModel& model) { model_ = model; }

 private:
  CachedModel model_;
};

/// The keys and values that a query may see.
template <Scalar A, BaseDevice D = cpu>
struct kv_view {
  Tensor<A, 4, D> keys, values;  // (B,S,Hk,D), (B,S,Hk,Dv)
  isize first = 0;               // the position of the first of them; those before it are forgotten
};

/// What a recurrent layer keeps between tokens: tensors under names, which it reads and replaces, and the number of
/// tokens that went into them.
template <Scalar A, BaseDevice D = cpu>
class recurrent_state {
 public:
  using tensor = Tensor<A, 4, D>;

  /// The tensor of that name, (B, ...); empty before the layer has given it a value.
  tensor& operator[](std::string_view name) {
    for (auto& [n, t] : tensors)
      if (n == name) return t;
    return tensors.emplace_back(std::string(name), tensor()).second;
  }

  /// The same with fewer dimensions, a copy where it is not dense: (B,1,T,C) as (B,T,C).
  template <std::size_t R>
  Tensor<A, R, D> get(std::string_view name) {
    const tensor kept = (*this)[name];
    if (!kept) return {};
    Shape<R> shape{kept.extent(0)};
    for (std::size_t i = 1; i < R; ++i) shape[i] = kept.extent(4 - R + i);
    return kept.dense().template reshape<R>(shape);
  }
  template <std::size_t R>
  void set(std::string_view name, const Tensor<A, R, D>& t) {
    Shape<4> shape{t.extent(0), 1, 1, 1};
    for (std::size_t i = 1; i < R; ++i) shape[4 - R + i] = t.extent(i);
    (*this)[name] = t.dense().template reshape<4>(shape);
  }

  std::vector<std::pair<std::string, tensor>> tensors;
  isize tokens = 0;  // the layer adds those that it takes in
};

/// What the tokens seen so far left behind in each layer. A cache belongs to one sequence batch; the model is const and
/// shared. (transformers.cache_utils.Cache)
template <Scalar A, BaseDevice D = cpu>
class Cache : public CacheBase {
 public:
  using tensor = Tensor<A, 4, D>;
  using view = kv_view<A, D>;

  /// Takes in the keys and values (B,T,Hk,D) of T new tokens of a layer, and returns all that a query may see, the new
  /// ones last.
  virtual view update(isize layer, const tensor& keys, const tensor& values) = 0;

  /// The place of a layer's keys and values of another sequence, which cross-attention fills once; they are empty
  /// before. Throws unsupported_error unless the cache has such places.
  virtual view& cross(isize) {
    throw unsupported_error("Cache::cross", "cross-attention", "a cache with keys and values of another sequence");
  }

  /// The state of a recurrent layer. Throws unsupported_error unless the cache has it.
  virtual recurrent_state<A, D>& state(isize) {
    throw unsupported_error("Cache::state", "a recurrent layer", "a cache with its state");
  }
};

/// A `Cache<A, D>*` that says so to whoever gives it something else.
template <Scalar A, BaseDevice D = cpu>
class cache_pointer {
 public:
  cache_pointer(std::nullptr_t = nullptr) {}            // NOLINT
  cache_pointer(Cache<A, D>* cache) : cache_(cache) {}  // NOLINT
  template <class Other>
  cache_pointer(const Other& other) : cache_(of(other)) {}  // NOLINT

  operator Cache<A, D>*() const { return cache_; }  // NOLINT
  Cache<A, D>* operator->() const { return cache_; }
  Cache<A, D>* get() const { return cache_; }

 private:
  template <class Other>
  static Cache<A, D>* of(const Other& other) {
    constexpr bool fits = std::is_convertible_v<const Other&, Cache<A, D>*>;
    static_assert(fits,
                  "hft: past_key_values takes the address of a cache of the model's activation dtype and device, "
                  "a DynamicCache<f32> for most");
    if constexpr (fits)
      return other;
    else
      return nullptr;
  }

  Cache<A, D>* cache_ = nullptr;
};

#if HFT_DEFINES(MODELS)

HFT_INLINE_ONCE void CacheBase::batch_repeat_interleave(isize repeats) {
  if (repeats < 1)
    throw value_error("Cache::batch_repeat_interleave", "repeats", "at least 1", detail::joined(repeats));
  std::vector<isize> rows(std::size_t(batch_size() * repeats));
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = isize(i) / repeats;
  if (!rows.empty()) reorder(rows);
}

HFT_INLINE_ONCE void CacheBase::check_model(const CachedModel& model, const char* where) {
  if (model == model_ || model == CachedModel()) return;
  if (model_ == CachedModel() || get_seq_length() == 0) {
    model_ = model;
    return;
  }
  std::string here, there;
  for (std::size_t i = 0; i < CachedModel::names.size(); ++i) {
    const isize a = model.values()[i], b = model_.values()[i];
    if (a == b) continue;
    const char* comma = here.empty() ? "" : ", ";
    here += detail::cat(comma, CachedModel::names[i], " = ", a);
    there += detail::cat(comma, b);
  }
  throw value_error(where, "past_key_values", "a cache of this model, with " + here,
                    "one that holds tokens of another, with " + there);
}

#endif  // HFT_DEFINES

}  // namespace hft
