// decay_attention: linear attention with a decay for each head (Qin et al. 2024, arXiv 2401.04658).
//
//   S(t) = decay S(t-1) + k(t) v(t)^T      for each head, (D,D)
//   y(t) = q(t) S(t)
//
// A sequence may come in parts: the last state of one is the state that the next starts with.
#pragma once
#include <type_traits>
#include <utility>

#include <hft/ops/cpu/decay_attention.hpp>
#include <hft/ops/heads.hpp>
#include <hft/tensor.hpp>

namespace hft {

namespace detail {
template <Scalar A, BaseDevice D>
void check_decay_attention(const Tensor<A, 4, D>& q, const Tensor<A, 4, D>& k, const Tensor<A, 4, D>& v,
                           const Tensor<A, 1, D>& decay, const Tensor<A, 4, D>& state) {
  if (k.shape() != q.shape() || v.shape() != q.shape())
    throw shape_error("decay_attention", "", "queries, keys and values of one shape",
                      joined(shape_text(q.shape()), ", ", shape_text(k.shape()), ", ", shape_text(v.shape())));
  const isize B = q.extent(0), H = q.extent(2), C = q.extent(3);
  if (decay.extent(0) != H)
    throw shape_error("decay_attention", "decay", joined("(", H, ")"), shape_text(decay.shape()));
  if (state && state.shape() != Shape<4>{B, H, C, C})
    throw shape_error("decay_attention", "state", shape_text(Shape<4>{B, H, C, C}), shape_text(state.shape()));
}

template <Scalar A, BaseDevice D>
decay_inputs<A> decay_inputs_of(const Tensor<A, 4, D>& q, const Tensor<A, 4, D>& k, const Tensor<A, 4, D>& v,
                                const Tensor<A, 1, D>& decay, const Tensor<A, 4, D>& state) {
  return {heads(q), heads(k), heads(v), decay.data(), state.data()};
}
}  // namespace detail

/// y and the state after it.
///   q, k, v (B,T,H,D), decay (H), state (B,H,D,D): the one before the first token, dense, or empty for zeros;
///   returns y (B,T,H,D) and the last state (B,H,D,D). Throws shape_error.
template <Scalar A, BaseDevice D>
std::pair<Tensor<A, 4, D>, Tensor<A, 4, D>> decay_attention(const Tensor<A, 4, D>& q, const Tensor<A, 4, D>& k,
                                                            const Tensor<A, 4, D>& v, const Tensor<A, 1, D>& decay,
                                                            const std::type_identity_t<Tensor<A, 4, D>>& state = {}) {
  detail::check_decay_attention(q, k, v, decay, state);
  const isize C = q.extent(3);
  const Tensor<A, 4, D> y(q.shape()), last({q.extent(0), q.extent(2), C, C});
  decay_attention_kernel(D{}, heads(y), last.data(), detail::decay_inputs_of(q, k, v, decay, state));
  return {y, last};
}

}  // namespace hft
