// What attention asks of a key-value cache. The caches themselves are in generation/cache.hpp.
#pragma once
#include <span>
#include <utility>

#include <hft/tensor.hpp>

namespace hft {

/// What of a cache depends neither on its element type nor on its device; what generate asks of it.
class CacheBase {
 public:
  virtual ~CacheBase() = default;

  /// The number of tokens that have gone through layer 0, forgotten ones included: the next token's position.
  virtual isize get_seq_length() const = 0;

  /// How many tokens it can ever take in, or 0 where it grows.
  virtual isize get_max_cache_shape() const { return 0; }

  /// Makes row i of the batch what row rows[i] was; the batch gets as many rows as `rows` has. For beam search and for
  /// several samples of one prompt. (transformers.Cache.reorder_cache)
  /// Throws unsupported_error unless the cache can.
  virtual void reorder(std::span<const isize>) {
    throw unsupported_error("Cache::reorder", "beams or several samples of a prompt", "a cache that can be reordered");
  }
};

/// Keys and values of the tokens seen so far, one pair of tensors for each layer. A cache belongs to one sequence
/// batch; the model is const and shared. (transformers.cache_utils.Cache)
template <Scalar A, BaseDevice D = cpu>
class Cache : public CacheBase {
 public:
  using tensor = Tensor<A, 4, D>;

  /// Takes in the keys and values (B,T,Hk,D) of T new tokens of a layer, and returns all that a query may see, the new
  /// ones last: (B,S,Hk,D) each.
  virtual std::pair<tensor, tensor> update(isize layer, const tensor& keys, const tensor& values) = 0;
};

}  // namespace hft
