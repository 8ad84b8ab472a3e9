// causal_conv1d: a convolution of each channel over the tokens up to its own. (B,T,C), (C,K) => (B,T,C)
//
// A sequence may come in parts: the last K-1 inputs of one are the state that the next starts with.
#pragma once
#include <utility>

#include <hft/ops/cpu/causal_conv1d.hpp>
#include <hft/tensor.hpp>

namespace hft {

namespace detail {
template <class X, class W, class Bias, class State>
void check_causal_conv1d(const X& x, const W& weight, const Bias& bias, const State& state) {
  const isize B = x.extent(0), C = x.extent(2), K = weight.extent(1);
  if (weight.extent(0) != C || K < 1)
    throw shape_error("causal_conv1d", "weight", joined("(", C, ", K) with K >= 1, to match x ", shape_text(x.shape())),
                      shape_text(weight.shape()));
  if (bias && bias.extent(0) != C)
    throw shape_error("causal_conv1d", "bias", joined("(", C, ")"), shape_text(bias.shape()));
  if (state && state.shape() != Shape<3>{B, K - 1, C})
    throw shape_error("causal_conv1d", "state", joined("(", B, ", ", K - 1, ", ", C, "), the K-1 inputs before x"),
                      shape_text(state.shape()));
}

/// x and the inputs before it as kernels take them, and the memory behind that.
template <Scalar A, BaseDevice D>
struct causal_conv1d_inputs {
  causal_conv1d_inputs(const Tensor<A, 3, D>& all, isize taps, const Tensor<A, 3, D>& state)
      : x(all.collapsible()),
        before(state ? state.collapsible() : Tensor<A, 3, D>::zeros({x.extent(0), taps - 1, x.extent(2)})),
        taps(taps) {}

  causal_inputs<A> view() const { return {x.rows(), before.rows(), x.extent(1), taps}; }

  Tensor<A, 3, D> x, before;  // (B,T,C), (B,K-1,C)
  isize taps;
};
}  // namespace detail

/// y(b,t,c) = bias(c) + sum over k of weight(c,k) * x(b,t-K+1+k,c), and the state after it.
///   x (B,T,C), weight (C,K), bias (C) or empty, state (B,K-1,C): the inputs before x, or empty for zeros;
///   returns y (B,T,C) and the last K-1 inputs (B,K-1,C), which is the state that the next tokens are given.
/// Throws shape_error. (torch.nn.Conv1d with groups = C and padding = K-1, cut to T)
template <Scalar A, BaseDevice D>
std::pair<Tensor<A, 3, D>, Tensor<A, 3, D>> causal_conv1d(const Tensor<A, 3, D>& x, const Tensor<A, 2, D>& weight,
                                                          const Tensor<A, 1, D>& bias = {},
                                                          const Tensor<A, 3, D>& state = {}) {
  detail::check_causal_conv1d(x, weight, bias, state);
  const detail::causal_conv1d_inputs<A, D> in(x, weight.extent(1), state);
  Tensor<A, 3, D> y(x.shape()), last(in.before.shape());
  causal_conv1d_kernel(D{}, y.rows(), in.view(), matrix<const A>(weight.rows()), static_cast<const A*>(bias.data()));
  causal_conv1d_state_kernel(D{}, last.rows(), in.view());
  return {y, last};
}

}  // namespace hft
