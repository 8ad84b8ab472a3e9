// What a layer that carries a state from token to token asks of a pass: the state that a cache keeps for it, and which
// tokens are padding.
#pragma once
#include <hft/layers/cache.hpp>
#include <hft/ops/mask_tokens.hpp>

namespace hft::detail {

/// The state that the pass's cache keeps for a layer of build B; null where it has no cache.
template <class B, class Context>
recurrent_state<typename B::activation, typename B::base>* kept_state(Context& context, isize layer) {
  if constexpr (requires { context.cache; })
    if (context.cache) return &context.cache->state(layer);
  return nullptr;
}

/// The mask (B,T) of the last T tokens that key_mask (B,S) tells, 0 for padding. Empty where it is, and for a single
/// token, which a cache goes on with: that is none.
template <class Mask>
Mask mask_of_last(const Mask& key_mask, isize T) {
  if (!key_mask || T == 1) return {};
  return key_mask.slice(1, key_mask.extent(1) - T, key_mask.extent(1)).dense();
}

/// x (B,T,C) with zeros for padding, T the last tokens that key_mask (B,S) tells.
template <class X, class Mask>
X without_padding(const X& x, const Mask& key_mask) {
  const Mask mask = mask_of_last(key_mask, x.extent(1));
  return mask ? mask_tokens(x, mask) : x;
}

}  // namespace hft::detail
