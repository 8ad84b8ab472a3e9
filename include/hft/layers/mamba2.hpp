// Mamba2Mixer: the state space layer of Mamba-2 (Dao & Gu 2024, arXiv 2405.21060), whose channels come in heads.
#pragma once
#include <limits>

#include <hft/layers/mamba.hpp>
#include <hft/ops/clamp.hpp>
#include <hft/ops/head_scan.hpp>

namespace hft {

struct Mamba2MixerOptions {
  isize hidden_size;
  isize num_heads;
  isize head_dim;
  isize groups = 1;  // of heads that have one B and one C
  isize state_size = 128;
  isize conv_kernel = 4;
  Activation activation = Activation::silu;  // after the convolution
  bool use_bias = false;
  bool use_conv_bias = true;
  f64 eps = 1e-5;                                                                  // of its norm
  f64 least_time_step = 0, most_time_step = std::numeric_limits<f64>::infinity();  // others are cut off at these
  isize layer = 0;                                                                 // its place in the cache

  isize inner_size() const { return num_heads * head_dim; }
  isize conv_size() const { return inner_size() + 2 * groups * state_size; }  // what the convolution sees
};

/// RMSNorm of what a gate lets through, over groups of channels by themselves. Checkpoint name: weight.
template <class B>
class GatedRMSNorm {
 public:
  GatedRMSNorm(isize channels, isize groups, f64 eps)
      : weight(decltype(weight)::unallocated({channels})),
        groups_(groups),
        norm_({.size = channels / groups, .eps = eps, .weight = false}) {}

  /// x and gate (B,T,C) => (B,T,C)
  template <class X>
  X operator()(const X& x, const X& gate) const {
    const Shape<4> grouped{x.extent(0), x.extent(1), groups_, x.extent(2) / groups_};
    const auto parts = gated(gate, x, Activation::silu).template reshape<4>(grouped);
    return mul_rows(norm_(parts).template reshape<3>(x.shape()), weight);
  }
  void visit(visitor& v) { v("weight", weight); }

  typename B::template parameter<typename B::activation, 1> weight;  // (C)

 private:
  isize groups_;
  RMSNorm<B> norm_;
};

/// transformers.models.mamba2.Mamba2Mixer. Checkpoint names: in_proj, conv1d, dt_bias, A_log, D, norm, out_proj.
template <class B>
class Mamba2Mixer {
 public:
  using options = Mamba2MixerOptions;
  using state = MambaState<typename B::activation, typename B::base, 4>;

  explicit Mamba2Mixer(const Mamba2MixerOptions& o)
      : in_proj(o.hidden_size, o.inner_size() + o.conv_size() + o.num_heads, o.use_bias),
        conv1d(o.conv_size(), o.conv_kernel, o.use_conv_bias),
        dt_bias(decltype(dt_bias)::unallocated({o.num_heads})),
        A_log(decltype(A_log)::unallocated({o.num_heads})),
        D(decltype(D)::unallocated({o.num_heads})),
        norm(o.inner_size(), o.groups, o.eps),
        out_proj(o.inner_size(), o.hidden_size, o.use_bias),
        options_(o) {}

  /// (B,T,hidden_size) => (B,T,hidden_size), by the pass's cache and mask: see mix_by_context.
  template <class X, class Context>
  requires requires(const Context& c) { c.key_mask; }
  X operator()(const X& x, Context& context) const { return detail::mix_by_context(*this, x, context, options_.layer); }

  /// (B,T,hidden_size) => (B,T,hidden_size). `past` and `mask` as those of a MambaMixer.
  template <class X>
  X operator()(const X& x, state* past = nullptr, const Tensor<u8, 2, typename B::base>& mask = {}) const {
    const Mamba2MixerOptions& o = options_;
    const auto without_padding = [&](const X& tokens) { return mask ? mask_tokens(tokens, mask) : tokens; };
    const isize B_ = x.extent(0), T = x.extent(1), I = o.inner_size(), H = o.num_heads, G = o.groups, N = o.state_size;
    const X projected = in_proj(without_padding(x));  // (B,T,I+conv_size+H)
    const isize steps = I + o.conv_size();
    const auto [convolved, conv] = conv1d(projected.slice(2, I, steps), past ? past->conv : decltype(past->conv)());
    const X u = without_padding(activate(convolved, o.activation));  // (B,T,conv_size)

    X delta = softplus(add_row(projected.slice(2, steps, steps + H), dt_bias));
    if (o.least_time_step > 0 || o.most_time_step < std::numeric_limits<f64>::infinity())
      delta = clamp(delta, o.least_time_step, o.most_time_step);
    const auto of_groups = [&](isize from) {
      return u.slice(2, from, from + G * N).template reshape<4>({B_, T, G, N});
    };
    const auto [y, ssm] =
        head_scan(u.slice(2, 0, I).template reshape<4>({B_, T, H, o.head_dim}), delta, negative_exp(A_log),
                  of_groups(I), of_groups(I + G * N), D, past ? past->ssm : decltype(past->ssm)());
    if (past) *past = {conv, ssm};
    return out_proj(norm(X(y.template reshape<3>({B_, T, I})), projected.slice(2, 0, I)));
  }
  void visit(visitor& v) {
    v("in_proj", in_proj);
    v("conv1d", conv1d);
    v("dt_bias", dt_bias);
    v("A_log", A_log);
    v("D", D);
    v("norm", norm);
    v("out_proj", out_proj);
  }

  typename B::linear in_proj;
  CausalConv1d<B> conv1d;
  typename B::template parameter<typename B::activation, 1> dt_bias, A_log, D;  // (H)
  GatedRMSNorm<B> norm;
  typename B::linear out_proj;

 private:
  Mamba2MixerOptions options_;
};

}  // namespace hft
