// Linear layers whose channels lie in groups that do not see each other, and what is built of them.
#pragma once
#include <optional>

#include <hft/layers/attention.hpp>
#include <hft/layers/channels.hpp>
#include <hft/layers/linear.hpp>
#include <hft/layers/mlp.hpp>

namespace hft {

/// How a checkpoint has the weight: of all channels (out,in); a convolution over one token (out,in/G,1) (SqueezeBERT);
/// blocks (G,in/G,out/G) (ConvBERT).
enum class grouping { none, convolution, blocks };

struct Grouping {
  grouping kind = grouping::none;
  isize groups = 1;
};

/// Throws config_error unless the groups divide both extents. `where` names the config, `field` the groups' number.
inline void check_groups(const char* where, const char* field, isize groups, isize in, isize out) {
  if (groups < 1 || in % groups || out % groups)
    throw config_error(where, field, detail::joined("a divisor of ", in, " and ", out), detail::joined(groups));
}

/// y = x W^T + b, or that of each group of channels. Checkpoint names: weight, bias. The weights of groups are held in
/// the activation dtype whatever the model's weight dtype is.
template <class B>
class GroupedLinear {
 public:
  GroupedLinear(isize in, isize out, bool has_bias, Grouping g) : grouping_(g), out_(out) {
    if (g.kind == grouping::none) {
      whole.emplace(in, out, has_bias);
      return;
    }
    const isize G = g.groups;
    weight = decltype(weight)::unallocated(g.kind == grouping::blocks ? Shape<3>{G, in / G, out / G}
                                                                      : Shape<3>{out, in / G, 1});
    if (has_bias) bias = decltype(bias)::unallocated({out});
  }

  /// (B,T,in) => (B,T,out)
  template <class X>
  X operator()(const X& x) const {
    if (whole) return (*whole)(x);
    const isize G = grouping_.groups, in = x.extent(2) / G, out = out_ / G;
    const bool blocks = grouping_.kind == grouping::blocks;
    return by_groups(x, G, [&](isize g, const X& mine) {
      auto w = blocks ? weight.slice(0, g, g + 1).template reshape<3>({in, out, 1})
                      : weight.slice(0, g * out, (g + 1) * out).template reshape<3>({out, in, 1});
      if (blocks) w = w.permute({1, 0, 2}).dense();
      auto b = bias;
      if (b.extent(0)) b = b.slice(0, g * out, (g + 1) * out);
      return linear(mine, w.template reshape<2>({out, in}), b);
    });
  }
  void visit(visitor& v) {
    if (whole) return whole->visit(v);
    v("weight", weight);
    if (bias.extent(0)) v("bias", bias);
  }

  std::optional<typename B::linear> whole;                           // without groups
  typename B::template parameter<typename B::activation, 3> weight;  // of groups
  typename B::template parameter<typename B::activation, 1> bias;    // (out), or empty

 private:
  Grouping grouping_;
  isize out_;
};

struct GroupedMLPOptions : MLPOptions {
  Grouping up = {}, down = {};
};

/// An MLP of such layers. Checkpoint names: up_proj, down_proj.
template <class B>
class GroupedMLP {
 public:
  using options = GroupedMLPOptions;

  explicit GroupedMLP(const GroupedMLPOptions& o)
      : up_proj(o.hidden_size, o.intermediate_size, o.bias, o.up),
        down_proj(o.intermediate_size, o.hidden_size, o.bias, o.down),
        activation_(o.activation) {}

  /// (B,T,C) => (B,T,C)
  template <class X>
  X operator()(const X& x) const {
    return down_proj(activate(up_proj(x), activation_));
  }
  void visit(visitor& v) {
    v("up_proj", up_proj);
    v("down_proj", down_proj);
  }

  GroupedLinear<B> up_proj, down_proj;

 private:
  Activation activation_;
};

struct GroupedAttentionOptions {
  AttentionOptions attention;
  Grouping q = {}, k = {}, v = {}, o = {};
};

/// Self-attention of such layers. Checkpoint names: q_proj, k_proj, v_proj, o_proj.
template <class B>
class GroupedAttention {
 public:
  using options = GroupedAttentionOptions;

  explicit GroupedAttention(const GroupedAttentionOptions& o)
      : q_proj(o.attention.hidden_size, width(o), o.attention.bias, o.q),
        k_proj(o.attention.hidden_size, width(o), o.attention.bias, o.k),
        v_proj(o.attention.hidden_size, width(o), o.attention.bias, o.v),
        o_proj(width(o), o.attention.hidden_size, o.attention.output_bias, o.o),
        core_(o.attention) {}

  /// (B,T,C) => (B,T,C)
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    return o_proj(core_(q_proj(x), k_proj(x), v_proj(x), context, [](auto&, auto&) {}));
  }
  void visit(visitor& v) {
    v("q_proj", q_proj);
    v("k_proj", k_proj);
    v("v_proj", v_proj);
    v("o_proj", o_proj);
  }

  GroupedLinear<B> q_proj, k_proj, v_proj, o_proj;

 private:
  static isize width(const GroupedAttentionOptions& o) { return o.attention.num_heads * o.attention.head_dim; }

  AttentionCore<B, no_positions> core_;
};

}  // namespace hft
