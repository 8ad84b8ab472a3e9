// attention_weights: (B,T,H,D), (B,S,Hk,D) => (B,H,T,S), the weights that attention gives to the values.
#pragma once
#include <hft/ops/attention.hpp>
#include <hft/ops/cpu/attention_weights.hpp>

namespace hft {

/// The softmax over the visible keys that `attention` multiplies values with, for whoever wants to see it
/// (output_attentions): the one op that makes a (T,S) matrix. Hidden keys have 0; a row adds up to 1, or to less by the
/// share of its sink, and a row that sees no key is 0. Dropout is left out. Arguments as in attention; throws
/// shape_error.
template <Scalar A, BaseDevice D>
Tensor<A, 4, D> attention_weights(const Tensor<A, 4, D>& q, const Tensor<A, 4, D>& k, const AttentionArgs<D>& args,
                                  const std::type_identity_t<Tensor<A, 4, D>>& bias = {},
                                  const std::type_identity_t<Tensor<A, 1, D>>& sinks = {}) {
  detail::check_attention(q, k, k, args, bias, sinks);
  Tensor<A, 4, D> y({q.extent(0), q.extent(2), q.extent(1), k.extent(1)});
  attention_weights_kernel(D{}, y.data(), detail::make_attention_problem(q, k, k, {}, args, bias, sinks));
  return y;
}

HFT_COMPILED_IN(KERNELS, Tensor<f32, 4> attention_weights(const Tensor<f32, 4>&, const Tensor<f32, 4>&,
                                                          const AttentionArgs<cpu>&, const Tensor<f32, 4>&,
                                                          const Tensor<f32, 1>&))

}  // namespace hft
