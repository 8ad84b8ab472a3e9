// The feed-forward layers: MLP, down(f(up(x))), GatedMLP, down(f(gate(x)) * up(x)), FusedGatedMLP, the same with one
// weight for both, and FeedForward, either of the first.
#pragma once
#include <limits>
#include <optional>

#include <hft/layers/dropout.hpp>
#include <hft/layers/linear.hpp>
#include <hft/layers/norm.hpp>
#include <hft/ops/activation.hpp>
#include <hft/ops/clamp.hpp>
#include <hft/ops/elementwise.hpp>

namespace hft {

/// Of a MixtureOfExperts.
struct ExpertsOptions {
  isize count = 0;                // 0: there are none
  isize per_token = 2;            // of which a token sees as many
  isize intermediate_size = 0;    // of each
  std::optional<bool> bias = {};  // of each, where it is not the MLP's own
  // Its router: scores are the softmax of all logits, and the best are a token's.
  bool router_bias = false;
  bool sigmoid = false;     // scores are the logits' sigmoids instead
  bool correction = false;  // whether a bias that is not trained is added to them for the choice (DeepSeek-V3)
  isize groups = 1, group_count = 1;  // of so many groups of neighbours only the best few have a token's experts, ...
  isize group_best = 1;               // ... those where the sum of so many best is the largest
  bool normalised = true;             // whether a token's weights sum to 1
  f64 least_sum = 0;                  // unless they summed to less than this
  f64 scale = 1;                      // of the weights
  bool weighs_inputs = false;         // whether they multiply what an expert sees, not what it gives (Llama 4)
  isize shared_size = 0;              // the width of an expert that all tokens see; 0: there is none
  bool shared_gate = false;           // whether each token takes a share of it
  isize capacity = 0;  // the tokens of a row that an expert takes, the first to choose it; 0: all (else: Switch)
};

/// Of a gate g and its rows u, cut off: (u + 1) g sigmoid(alpha g), where g <= limit and |u| <= limit. (GPT-OSS)
struct ClampedGate {
  f64 alpha = 1.702, limit = 7;
};

struct MLPOptions {
  isize hidden_size;
  isize intermediate_size;
  Activation activation = Activation::silu;
  bool bias = false;
  bool gated = false;                       // of a FeedForward
  bool fused = false;                       // of a gated FeedForward: its first layers are one projection, gates first
  bool up_first = false;                    // the other way round (GTE)
  std::optional<bool> down_bias = {};       // of a FeedForward's last layer, where it differs
  bool xielu = false;                       // of a TrainedMLP: in the place of `activation`
  f64 dropout = 0;                          // of what a FeedForward's last layer sees, in a training pass
  std::optional<ClampedGate> clamped = {};  // of a GatedMLP: in the place of `activation`
  std::optional<f64> sub_norm = {};         // of a GatedMLP: the eps of a norm of what its last layer sees (BitNet)
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

/// Shazeer 2020, arXiv 2002.05202; with silu it is SwiGLU, eq. (6). Checkpoint names: gate_proj, up_proj, down_proj,
/// and where the options have it sub_norm.
template <class B, Activation... F>
class GatedMLP {
 public:
  explicit GatedMLP(const MLPOptions& o)
      : gate_proj(o.hidden_size, o.intermediate_size, o.bias),
        up_proj(o.hidden_size, o.intermediate_size, o.bias),
        down_proj(o.intermediate_size, o.hidden_size, o.bias),
        activation_(detail::chosen<F...>(o.activation)),
        clamped_(o.clamped) {
    if (o.sub_norm) sub_norm.emplace(NormOptions{.size = o.intermediate_size, .eps = *o.sub_norm});
  }

  /// (B,T,C) => (B,T,C)
  template <class X>
  X operator()(const X& x) const {
    const auto [gate, up] = project(x, gate_proj, up_proj);
    const X y = clamped_ ? clamped_gated(gate, up, *clamped_) : gated(gate, up, activation_);
    return down_proj(sub_norm ? (*sub_norm)(y) : y);
  }
  void visit(visitor& v) {
    v("gate_proj", gate_proj);
    v("up_proj", up_proj);
    v("down_proj", down_proj);
    v("sub_norm", sub_norm);
  }

  typename B::column_linear gate_proj, up_proj;
  typename B::row_linear down_proj;
  std::optional<RMSNorm<B>> sub_norm;

 private:
  // g sigmoid(alpha g) = silu(alpha g) / alpha
  template <class X>
  static X clamped_gated(const X& gate, const X& up, const ClampedGate& o) {
    const X g = scale(clamp(gate, -std::numeric_limits<f64>::infinity(), o.limit), o.alpha);
    const X u = clamp(up, -o.limit, o.limit);
    return scale(add(gated(g, u, Activation::silu), activate(g, Activation::silu)), 1 / o.alpha);
  }

  Activation activation_;
  std::optional<ClampedGate> clamped_;
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

/// One of them, as the config says. Checkpoint names: in_proj, down_proj; or gate_proj, up_proj, down_proj; or
/// gate_up_proj, down_proj.
template <class B>
class FeedForward {
 public:
  explicit FeedForward(const MLPOptions& o)
      : down_proj(o.intermediate_size, o.hidden_size, o.down_bias.value_or(o.bias)),
        activation_(o.activation),
        dropout_(o.dropout),
        up_first_(o.up_first) {
    if (o.gated && o.fused) {
      gate_up_proj.emplace(o.hidden_size, 2 * o.intermediate_size, o.bias);
      return;
    }
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
    v("gate_up_proj", gate_up_proj);
    v("gate_proj", gate_proj);
    v("up_proj", up_proj);
    v("down_proj", down_proj);
  }

  std::optional<typename B::column_linear> in_proj, gate_up_proj, gate_proj, up_proj;
  typename B::row_linear down_proj;

 private:
  template <class X>
  X activated(const X& x) const {
    if (in_proj) return activate((*in_proj)(x), activation_);
    if (gate_up_proj) {
      const X y = (*gate_up_proj)(x);
      const isize I = y.extent(2) / 2;
      const X first = y.slice(2, 0, I), second = y.slice(2, I, 2 * I);
      return up_first_ ? gated(second, first, activation_) : gated(first, second, activation_);
    }
    const auto [gate, up] = project(x, *gate_proj, *up_proj);
    return gated(gate, up, activation_);
  }

  Activation activation_;
  f64 dropout_;
  bool up_first_;
};

}  // namespace hft
