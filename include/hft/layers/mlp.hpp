// The feed-forward layers: MLP, down(f(up(x))), GatedMLP, down(f(gate(x)) * up(x)), FusedGatedMLP, the same with one
// weight for both, and FeedForward, either of the first.
#pragma once
#include <optional>

#include <hft/layers/dropout.hpp>
#include <hft/layers/linear.hpp>
#include <hft/ops/activation.hpp>

namespace hft {

/// Of a MixtureOfExperts.
struct ExpertsOptions {
  isize count = 0;              // 0: there are none
  isize per_token = 2;          // of which a token sees as many
  isize intermediate_size = 0;  // of each
  bool normalised = true;       // whether a token's weights sum to 1
  f64 scale = 1;                // of the weights
  isize shared_size = 0;        // the width of an expert that all tokens see; 0: there is none
  bool shared_gate = false;     // whether each token takes a share of it
  bool router_bias = false;
  isize capacity = 0;  // the tokens of a row that an expert takes, the first to choose it; 0: all (else: Switch)
};

struct MLPOptions {
  isize hidden_size;
  isize intermediate_size;
  Activation activation = Activation::silu;
  bool bias = false;
  bool gated = false;  // of a FeedForward
  bool xielu = false;  // of a TrainedMLP: in the place of `activation`
  f64 dropout = 0;     // of what a FeedForward's last layer sees, in a training pass
  ExpertsOptions experts = {};
};

// Activations as template arguments: MLP<B, gelu>. Without one, the config's hidden_act decides at run time.
inline constexpr Activation gelu = Activation::gelu, gelu_new = Activation::gelu_new,
                            quick_gelu = Activation::quick_gelu, relu = Activation::relu, relu2 = Activation::relu2,
                            silu = Activation::silu;

namespace detail {
template <Activation... F>
Activation chosen(Activation from_config) {
  static_assert(sizeof...(F) <= 1, "hft: an MLP has one activation");
  Activation f = from_config;
  ((f = F), ...);
  return f;
}
}  // namespace detail

namespace detail {
/// An MLP's result; one with dropout of its own sees the pass.
template <class Mlp, class X, class Context>
X feed_forward(const Mlp& mlp, const X& x, Context& context) {
  if constexpr (requires { mlp(x, context); })
    return mlp(x, context);
  else
    return mlp(x);
}
}  // namespace detail

/// Checkpoint names: up_proj, down_proj.
template <class B, Activation... F>
class MLP {
 public:
  explicit MLP(const MLPOptions& o)
      : up_proj(o.hidden_size, o.intermediate_size, o.bias),
        down_proj(o.intermediate_size, o.hidden_size, o.bias),
        activation_(detail::chosen<F...>(o.activation)) {}

  /// (B,T,C) => (B,T,C)
  template <class X>
  X operator()(const X& x) const {
    return down_proj(activate(up_proj(x), activation_));
  }
  void visit(visitor& v) {
    v("up_proj", up_proj);
    v("down_proj", down_proj);
  }

  typename B::column_linear up_proj;
  typename B::row_linear down_proj;

 private:
  Activation activation_;
};

/// Shazeer 2020, arXiv 2002.05202; with silu it is SwiGLU, eq. (6). Checkpoint names: gate_proj, up_proj, down_proj.
template <class B, Activation... F>
class GatedMLP {
 public:
  explicit GatedMLP(const MLPOptions& o)
      : gate_proj(o.hidden_size, o.intermediate_size, o.bias),
        up_proj(o.hidden_size, o.intermediate_size, o.bias),
        down_proj(o.intermediate_size, o.hidden_size, o.bias),
        activation_(detail::chosen<F...>(o.activation)) {}

  /// (B,T,C) => (B,T,C)
  template <class X>
  X operator()(const X& x) const {
    const auto [gate, up] = project(x, gate_proj, up_proj);
    return down_proj(gated(gate, up, activation_));
  }
  void visit(visitor& v) {
    v("gate_proj", gate_proj);
    v("up_proj", up_proj);
    v("down_proj", down_proj);
  }

  typename B::column_linear gate_proj, up_proj;
  typename B::row_linear down_proj;

 private:
  Activation activation_;
};

/// A GatedMLP whose first layers are one projection, gates first. Checkpoint names: gate_up_proj, down_proj.
template <class B, Activation... F>
class FusedGatedMLP {
 public:
  explicit FusedGatedMLP(const MLPOptions& o)
      : gate_up_proj(o.hidden_size, 2 * o.intermediate_size, o.bias),
        down_proj(o.intermediate_size, o.hidden_size, o.bias),
        activation_(detail::chosen<F...>(o.activation)) {}

  /// (B,T,C) => (B,T,C)
  template <class X>
  X operator()(const X& x) const {
    const X y = gate_up_proj(x);
    const isize I = y.extent(2) / 2;
    return down_proj(gated(y.slice(2, 0, I), y.slice(2, I, 2 * I), activation_));
  }
  void visit(visitor& v) {
    v("gate_up_proj", gate_up_proj);
    v("down_proj", down_proj);
  }

  typename B::column_linear gate_up_proj;
  typename B::row_linear down_proj;

 private:
  Activation activation_;
};

/// One of the two, as the config says. Checkpoint names: in_proj, down_proj; or gate_proj, up_proj, down_proj.
template <class B>
class FeedForward {
 public:
  explicit FeedForward(const MLPOptions& o)
      : down_proj(o.intermediate_size, o.hidden_size, o.bias), activation_(o.activation), dropout_(o.dropout) {
    for (auto* layer : {o.gated ? nullptr : &in_proj, o.gated ? &gate_proj : nullptr, o.gated ? &up_proj : nullptr})
      if (layer) layer->emplace(o.hidden_size, o.intermediate_size, o.bias);
  }

  /// (B,T,C) => (B,T,C)
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    return down_proj(apply_dropout(activated(x), dropout_, context));
  }
  void visit(visitor& v) {
    v("in_proj", in_proj);
    v("gate_proj", gate_proj);
    v("up_proj", up_proj);
    v("down_proj", down_proj);
  }

  std::optional<typename B::column_linear> in_proj, gate_proj, up_proj;
  typename B::row_linear down_proj;

 private:
  template <class X>
  X activated(const X& x) const {
    if (in_proj) return activate((*in_proj)(x), activation_);
    const auto [gate, up] = project(x, *gate_proj, *up_proj);
    return gated(gate, up, activation_);
  }

  Activation activation_;
  f64 dropout_;
};

}  // namespace hft
