// ForwardContext: what the layers of one forward pass share.
#pragma once
#include <hft/layers/cache.hpp>
#include <hft/tensor.hpp>

namespace hft {

template <Scalar A, BaseDevice D = cpu>
struct ForwardContext {
  Tensor<i64, 2> position_ids;   // (B,T)
  isize key_length = 0;          // S: cached tokens and new ones
  Tensor<u8, 2, D> key_mask;     // (B,S), 0 hides a key; empty: all visible
  Cache<A, D>* cache = nullptr;  // null: the tokens see each other only
  Tensor<A, 2, D> cos, sin;      // (B*T, R/2), where the positions are rotary
};

}  // namespace hft
