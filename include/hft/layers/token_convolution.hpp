// Convolutions over the tokens on both sides of each.
#pragma once
#include <hft/layers/channels.hpp>
#include <hft/layers/linear.hpp>
#include <hft/ops/causal_conv1d.hpp>

namespace hft {

/// torch.nn.Conv1d over tokens, (K-1)/2 zeros before and behind the text. Checkpoint names: weight, bias. The weights
/// are held in the activation dtype whatever the model's weight dtype is.
template <class B>
class TokenConvolution {
 public:
  TokenConvolution(isize in, isize out, isize taps, isize groups = 1, bool has_bias = true)
      : weight(decltype(weight)::unallocated({out, in / groups, taps})), groups_(groups) {
    if (has_bias) bias = decltype(bias)::unallocated({out});
  }

  /// (B,T,in) => (B,T,out)
  template <class X>
  X operator()(const X& x) const {
    const isize out = weight.extent(0) / groups_, in = weight.extent(1), K = weight.extent(2), T = x.extent(1),
                N = x.extent(0) * T, C = groups_ * out;
    // A tap's weights together: (K,out,in).
    const auto taps = weight.template reshape<4>({C, in, K, 1}).permute({2, 0, 1, 3}).dense();
    const X padded = pad_tokens(pad_tokens(x, -(K / 2)), K / 2);
    X y;
    for (isize g = 0; g < groups_; ++g) {
      X sum;
      for (isize k = 0; k < K; ++k) {
        const auto w = taps.slice(0, k, k + 1).slice(1, g * out, (g + 1) * out).dense().template reshape<2>({out, in});
        const X seen = padded.slice(1, k, k + T).slice(2, g * in, (g + 1) * in).dense();
        auto b = bias;
        if (b.extent(0)) b = b.slice(0, g * out, (g + 1) * out);
        sum = k ? add(sum, X(linear(seen, w))) : X(linear(seen, w, b));
      }
      const X part = sum.template reshape<3>({N, 1, out});
      y = g ? concat_tokens(y, part) : part;
    }
    return y.template reshape<3>({x.extent(0), T, C});
  }
  void visit(visitor& v) {
    v("weight", weight);
    if (bias.extent(0)) v("bias", bias);
  }

  typename B::template parameter<typename B::activation, 3> weight;  // (out,in/G,K)
  typename B::template parameter<typename B::activation, 1> bias;    // (out), or empty

 private:
  isize groups_;
};

/// A convolution of each channel, and one over the channels of a token. Checkpoint names: depthwise.weight,
/// pointwise.weight, bias. (transformers.models.convbert.SeparableConv1D)
template <class B>
class SeparableConvolution {
 public:
  SeparableConvolution(isize in, isize out, isize taps)
      : depthwise{decltype(weights::weight)::unallocated({in, 1, taps})},
        pointwise{decltype(weights::weight)::unallocated({out, in, 1})},
        bias(decltype(bias)::unallocated({out, 1})) {}

  /// (B,T,in) => (B,T,out)
  template <class X>
  X operator()(const X& x) const {
    const isize in = depthwise.weight.extent(0), out = pointwise.weight.extent(0), K = depthwise.weight.extent(2);
    const auto all = causal_conv1d(pad_tokens(x, K / 2), depthwise.weight.template reshape<2>({in, K})).first;
    const X seen = all.slice(1, K / 2, K / 2 + x.extent(1)).dense();
    return linear(seen, pointwise.weight.template reshape<2>({out, in}), bias.template reshape<1>({out}));
  }
  void visit(visitor& v) {
    v("depthwise", depthwise);
    v("pointwise", pointwise);
    v("bias", bias);
  }

  struct weights {
    typename B::template parameter<typename B::activation, 3> weight;
    void visit(visitor& v) { v("weight", weight); }
  };
  weights depthwise, pointwise;                                    // (in,1,K), (out,in,1)
  typename B::template parameter<typename B::activation, 2> bias;  // (out,1)
};

}  // namespace hft
