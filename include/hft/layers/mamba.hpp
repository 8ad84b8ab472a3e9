// MambaMixer: the selective state space layer of Mamba (Gu & Dao 2023, arXiv 2312.00752), which is also Jamba's.
#pragma once
#include <optional>

#include <hft/layers/attention_options.hpp>
#include <hft/layers/carried_state.hpp>
#include <hft/layers/linear.hpp>
#include <hft/layers/mamba_options.hpp>
#include <hft/layers/norm.hpp>
#include <hft/ops/activation.hpp>
#include <hft/ops/causal_conv1d.hpp>
#include <hft/ops/mask_tokens.hpp>
#include <hft/ops/negative_exp.hpp>
#include <hft/ops/selective_scan.hpp>
#include <hft/ops/softplus.hpp>

namespace hft {

/// What a mixer keeps of the tokens before; empty tensors: there were none.
template <Scalar A, BaseDevice D = cpu, std::size_t Rank = 3>
struct MambaState {
  Tensor<A, 3, D> conv;    // (B,K-1,C) the last inputs of the convolution
  Tensor<A, Rank, D> ssm;  // (B,C,N); of heads (B,H,N,P)
};

namespace detail {

/// A mixer's (B,T,C) => (B,T,C) with the state that the pass's cache has for this layer, if it has one.
template <class Mixer, class X, class Context>
X mix_by_context(const Mixer& mixer, const X& x, Context& context, isize layer) {
  const auto mask = mask_of_last(context.key_mask, x.extent(1));
  if constexpr (requires { context.cache; }) {
    if (context.cache) {
      using state = typename Mixer::state;
      auto& kept = context.cache->state(layer);
      state past{kept.template get<3>("conv"), kept.template get<decltype(state::ssm)::rank>("ssm")};
      const X y = mixer(x, &past, mask);
      kept.set("conv", past.conv);
      kept.set("ssm", past.ssm);
      kept.tokens += x.extent(1);
      return y;
    }
  }
  return mixer(x, nullptr, mask);
}

}  // namespace detail

/// The convolution of each channel, torch.nn.Conv1d with groups = C. Checkpoint names: weight, bias. Its weights are
/// held in the activation dtype whatever the model's weight dtype is: they are small.
template <class B>
class CausalConv1d {
 public:
  CausalConv1d(isize channels, isize taps, bool has_bias) : weight(decltype(weight)::unallocated({channels, 1, taps})) {
    if (has_bias) bias = decltype(bias)::unallocated({channels});
  }

  /// (B,T,C) and the state (B,K-1,C) => (B,T,C) and the state after; see ops/causal_conv1d.hpp.
  template <class X, class State>
  auto operator()(const X& x, const State& state) const {
    return causal_conv1d(x, taps(), bias, state);
  }
  /// The same of the channels from `first` on, as many as x and the state have.
  template <class X, class State>
  auto of_channels(const X& x, isize first, const State& state) const {
    const isize end = first + x.extent(2);
    return causal_conv1d(x, taps().slice(0, first, end), bias.extent(0) ? bias.slice(0, first, end) : bias, state);
  }
  void visit(visitor& v) {
    v("weight", weight);
    if (bias.extent(0)) v("bias", bias);
  }

  typename B::template parameter<typename B::activation, 3> weight;  // (C,1,K)
  typename B::template parameter<typename B::activation, 1> bias;    // (C) or empty

 private:
  auto taps() const { return weight.template reshape<2>({weight.extent(0), weight.extent(2)}); }
};

/// transformers.models.mamba.MambaMixer. Checkpoint names: in_proj, conv1d, x_proj, dt_proj, A_log, D, out_proj; where
/// the options have norms dt_layernorm, b_layernorm, c_layernorm.
template <class B>
class MambaMixer {
 public:
  using options = MambaMixerOptions;
  using state = MambaState<typename B::activation, typename B::base>;

  explicit MambaMixer(const MambaMixerOptions& o)
      : in_proj(o.hidden_size, 2 * o.intermediate_size, o.use_bias),
        conv1d(o.intermediate_size, o.conv_kernel, o.use_conv_bias),
        x_proj(o.intermediate_size, o.time_step_rank + 2 * o.state_size),
        dt_proj(o.time_step_rank, o.intermediate_size, true),
        A_log(decltype(A_log)::unallocated({o.intermediate_size, o.state_size})),
        D(decltype(D)::unallocated({o.intermediate_size})),
        out_proj(o.intermediate_size, o.hidden_size, o.use_bias),
        activation_(o.activation),
        layer_(o.layer) {
    if (!o.norm_eps) return;
    const auto norm = [&](isize size) {
      return NormOptions{.size = size, .eps = *o.norm_eps, .weight = o.norm_weights};
    };
    dt_layernorm.emplace(norm(o.time_step_rank));
    b_layernorm.emplace(norm(o.state_size));
    c_layernorm.emplace(norm(o.state_size));
  }

  explicit MambaMixer(const AttentionOptions& o) : MambaMixer(o.mamba.value()) {}

  /// (B,T,hidden_size) => (B,T,hidden_size), by the pass's cache and mask: see mix_by_context.
  template <class X, class Context>
  requires requires(const Context& c) { c.key_mask; }
  X operator()(const X& x, Context& context) const { return detail::mix_by_context(*this, x, context, layer_); }

  /// (B,T,hidden_size) => (B,T,hidden_size). `past`, if not null, is the state that the tokens start with, and becomes
  /// the one after them; no gradient flows through it. A mask (B,T), if not empty, is 0 where a token is padding: it is
  /// no input of the convolution and the scan.
  template <class X>
  X operator()(const X& x, state* past = nullptr, const Tensor<u8, 2, typename B::base>& mask = {}) const {
    const auto without_padding = [&](const X& tokens) { return mask ? mask_tokens(tokens, mask) : tokens; };
    const isize C = A_log.extent(0), N = A_log.extent(1), rank = x_proj.weight.extent(0) - 2 * N;
    const X projected = in_proj(without_padding(x));  // (B,T,2C)
    const X gate = projected.slice(2, C, 2 * C);
    const auto [convolved, conv] = conv1d(projected.slice(2, 0, C), past ? past->conv : decltype(past->conv)());
    const X u = without_padding(activate(convolved, activation_));  // (B,T,C)

    const X selected = x_proj(u);  // (B,T,rank+2N)
    const auto part = [&](isize from, isize to, const std::optional<RMSNorm<B>>& norm) {
      const X y = selected.slice(2, from, to);
      return norm ? (*norm)(y) : y;
    };
    const X delta = softplus(dt_proj(part(0, rank, dt_layernorm)));
    const auto [y, ssm] =
        selective_scan(u, delta, negative_exp(A_log), part(rank, rank + N, b_layernorm),
                       part(rank + N, rank + 2 * N, c_layernorm), D, past ? past->ssm : decltype(past->ssm)());
    if (past) *past = {conv, ssm};
    return out_proj(gated(gate, y, Activation::silu));
  }
  void visit(visitor& v) {
    v("in_proj", in_proj);
    v("conv1d", conv1d);
    v("x_proj", x_proj);
    v("dt_proj", dt_proj);
    v("A_log", A_log);
    v("D", D);
    v("out_proj", out_proj);
    v("dt_layernorm", dt_layernorm);
    v("b_layernorm", b_layernorm);
    v("c_layernorm", c_layernorm);
  }

  typename B::linear in_proj;
  CausalConv1d<B> conv1d;
  typename B::linear x_proj, dt_proj;
  typename B::template parameter<typename B::activation, 2> A_log;  // (C,N)
  typename B::template parameter<typename B::activation, 1> D;      // (C)
  typename B::linear out_proj;
  std::optional<RMSNorm<B>> dt_layernorm, b_layernorm, c_layernorm;

 private:
  Activation activation_;
  isize layer_;
};

}  // namespace hft
