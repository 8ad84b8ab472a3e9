// GatedRecurrence: the recurrent block of Griffin (De et al. 2024, arXiv 2402.19427) and RecurrentGemma.
#pragma once
#include <vector>

#include <hft/layers/attention_options.hpp>
#include <hft/layers/carried_state.hpp>
#include <hft/layers/channels.hpp>
#include <hft/layers/linear.hpp>
#include <hft/layers/mamba.hpp>
#include <hft/ops/activation.hpp>
#include <hft/ops/rg_lru.hpp>

namespace hft {

/// One linear layer for the channels of each head. Checkpoint names: HEAD.weight, HEAD.bias.
template <class B>
class HeadLinear {
 public:
  HeadLinear(isize heads, isize channels, bool has_bias) {
    for (isize h = 0; h < heads; ++h) layers.emplace_back(channels / heads, channels / heads, has_bias);
  }

  /// (B,T,C) => (B,T,C)
  template <class X>
  X operator()(const X& x) const {
    return by_groups(x, isize(layers.size()), [&](isize h, const X& mine) { return X(layers[std::size_t(h)](mine)); });
  }
  void visit(visitor& v) {
    for (std::size_t h = 0; h < layers.size(); ++h) v(detail::cat(h), layers[h]);
  }

  std::vector<typename B::linear> layers;
};

/// A real-gated linear recurrent unit behind a convolution:  linear_out(rg_lru(conv_1d(linear_x(x))) * f(linear_y(x)))
/// A token at position 0 begins a text; padding is read like any other token, as in Transformers. Checkpoint names:
/// linear_y, linear_x, linear_out, conv_1d, rg_lru.recurrent_param, and of its gates, which see a head each,
/// rg_lru.input_gates.HEAD, rg_lru.recurrent_gates.HEAD. (transformers.RecurrentGemmaRecurrentBlock)
template <class B>
class GatedRecurrence {
 public:
  /// Throws value_error without options of it.
  explicit GatedRecurrence(const AttentionOptions& o)
      : linear_y(o.hidden_size, of(o).width, true),
        linear_x(o.hidden_size, of(o).width, true),
        linear_out(of(o).width, o.hidden_size, true),
        conv_1d(of(o).width, of(o).taps, true),
        recurrent_param(decltype(recurrent_param)::unallocated({of(o).width})),
        input_gates(o.num_heads, of(o).width, true),
        recurrent_gates(o.num_heads, of(o).width, true),
        activation_(of(o).activation),
        layer_(o.layer) {}

  /// (B,T,C) => (B,T,C)
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    const auto begins = beginnings(context.position_ids);
    auto* kept = detail::kept_state<B>(context, layer_);
    const auto past = [&](const char* name) { return kept ? kept->template get<3>(name) : State(); };
    const auto [inputs, conv] = conv_1d(linear_x(x), past("conv"));
    const X states = recurrence(X(inputs), begins, past("state"));
    if constexpr (requires { context.cache; })  // no pass that records has one
      if (kept) {
        kept->set("conv", conv);
        kept->set("state", states.slice(1, x.extent(1) - 1, x.extent(1)));
        kept->tokens += x.extent(1);
      }
    return linear_out(gated(linear_y(x), states, activation_));
  }
  void visit(visitor& v) {
    v("linear_y", linear_y);
    v("linear_x", linear_x);
    v("linear_out", linear_out);
    v("conv_1d", conv_1d);
    v("rg_lru.recurrent_param", recurrent_param);
    v("rg_lru.input_gates", input_gates);
    v("rg_lru.recurrent_gates", recurrent_gates);
  }

  typename B::column_linear linear_y, linear_x;
  typename B::row_linear linear_out;
  CausalConv1d<B> conv_1d;
  typename B::template parameter<typename B::activation, 1> recurrent_param;  // (width)
  HeadLinear<B> input_gates, recurrent_gates;

 private:
  using State = Tensor<typename B::activation, 3, typename B::base>;

  static const RecurrenceOptions& of(const AttentionOptions& o) {
    if (!o.recurrence) throw value_error("GatedRecurrence", "AttentionOptions::recurrence", "its options", "none");
    return *o.recurrence;
  }
  static auto beginnings(const Tensor<i64, 2>& positions) {
    const auto from = positions.dense();
    Tensor<u8, 2> begins(from.shape());
    for (isize i = 0; i < from.size(); ++i) begins.data()[i] = from.data()[i] == 0;
    return to_device<typename B::base>(begins);
  }
  template <class X>
  X recurrence(const X& x, const Tensor<u8, 2, typename B::base>& begins, const State& state) const {
    return rg_lru(x, X(input_gates(x)), X(recurrent_gates(x)), recurrent_param, begins, state);
  }

  Activation activation_;
  isize layer_;
};

}  // namespace hft
