// BottleneckBlock: BERT's block on fewer channels than the residual stream has. Sun et al. 2020, arXiv 2004.02984
// (MobileBERT).
#pragma once
#include <optional>
#include <vector>

#include <hft/layers/attention.hpp>
#include <hft/layers/dropout.hpp>
#include <hft/layers/mlp.hpp>
#include <hft/layers/norm.hpp>

namespace hft {

/// Which of a layer's inputs are brought to fewer channels for attention, beside what attention's result is added to.
enum class narrowed { nothing, queries_and_keys, everything };

struct BottleneckBlockOptions {
  isize hidden_size;
  NormOptions norm;       // of fewer channels
  NormOptions last_norm;  // the same of the last MLP
  NormOptions wide_norm;  // of hidden_size channels
  AttentionOptions attention;
  MLPOptions mlp;
  isize mlps = 1;
  bool narrows = true;  // else all have hidden_size channels, and there are no layers from one to the other
  narrowed inputs = narrowed::queries_and_keys;
  bool attention_layer = true;  // whether there is a layer for queries and keys, used or not
  f64 dropout = 0;
};

/// Checkpoint names: self_attn with q_proj, k_proj, v_proj, o_proj; post_attention_layernorm, ffn with mlp and norm,
/// mlp, post_mlp_layernorm, bottleneck.input, bottleneck.attention, output.bottleneck, each with dense and LayerNorm.
template <class B>
class BottleneckBlock {
 public:
  using options = BottleneckBlockOptions;

  explicit BottleneckBlock(const BottleneckBlockOptions& o)
      : self_attn(o),
        post_attention_layernorm(o.norm),
        mlp(o.mlp),
        post_mlp_layernorm(o.last_norm),
        inputs_(o.narrows ? o.inputs : narrowed::nothing),
        dropout_(o.dropout) {
    const isize width = o.norm.size;
    for (isize i = 1; i < o.mlps; ++i) ffn.emplace_back(o);
    if (!o.narrows) return;
    narrow_input.emplace(o.hidden_size, o.norm);
    if (o.attention_layer) narrow_attention.emplace(o.hidden_size, o.norm);
    widen.emplace(width, o.wide_norm);
  }

  /// (B,T,C) => (B,T,C)
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    const X within = narrow_input ? narrow_input->normed(x) : x;
    const X values = inputs_ == narrowed::everything ? within : x;
    const X queries = inputs_ == narrowed::queries_and_keys ? narrow_attention->normed(x) : values;
    const auto dropped = [&](const X& y) { return narrow_input ? y : apply_dropout(y, dropout_, context); };
    X h = post_attention_layernorm(add(dropped(self_attn(queries, values, context)), within));
    for (const auto& f : ffn) h = f.norm(add(X(f.mlp(h)), h));
    h = post_mlp_layernorm(add(dropped(mlp(h)), h));
    return widen ? widen->LayerNorm(add(apply_dropout(X(widen->dense(h)), dropout_, context), x)) : h;
  }
  void visit(visitor& v) {
    v("bottleneck.input", narrow_input);
    v("bottleneck.attention", narrow_attention);
    v("self_attn", self_attn);
    v("post_attention_layernorm", post_attention_layernorm);
    v("ffn", ffn);
    v("mlp", mlp);
    v("post_mlp_layernorm", post_mlp_layernorm);
    v("output.bottleneck", widen);
  }

  struct attention_layer {
    explicit attention_layer(const BottleneckBlockOptions& o)
        : q_proj(o.norm.size, o.norm.size, true),
          k_proj(o.norm.size, o.norm.size, true),
          v_proj(o.narrows && o.inputs == narrowed::everything ? o.norm.size : o.hidden_size, o.norm.size, true),
          o_proj(o.norm.size, o.norm.size, true),
          core(o.attention) {}
    template <class X, class Context>
    X operator()(const X& queries, const X& values, Context& context) const {
      const auto [q, k] = project(queries, q_proj, k_proj);
      return o_proj(core(q, k, X(v_proj(values)), context, [](auto&, auto&) {}));
    }
    void visit(visitor& v) {
      v("q_proj", q_proj);
      v("k_proj", k_proj);
      v("v_proj", v_proj);
      v("o_proj", o_proj);
    }
    typename B::column_linear q_proj, k_proj, v_proj;
    typename B::row_linear o_proj;
    AttentionCore<B, no_positions> core;
  };
  struct feed_forward_layer {
    explicit feed_forward_layer(const BottleneckBlockOptions& o) : mlp(o.mlp), norm(o.norm) {}
    void visit(visitor& v) {
      v("mlp", mlp);
      v("norm", norm);
    }
    MLP<B> mlp;
    hft::LayerNorm<B> norm;
  };
  struct change_of_width {
    change_of_width(isize from, const NormOptions& o) : dense(from, o.size, true), LayerNorm(o) {}
    template <class X>
    X normed(const X& x) const {
      return LayerNorm(X(dense(x)));
    }
    void visit(visitor& v) {
      v("dense", dense);
      v("LayerNorm", LayerNorm);
    }
    typename B::linear dense;
    hft::LayerNorm<B> LayerNorm;
  };

  std::optional<change_of_width> narrow_input, narrow_attention;
  attention_layer self_attn;
  LayerNorm<B> post_attention_layernorm;
  std::vector<feed_forward_layer> ffn;
  MLP<B> mlp;
  LayerNorm<B> post_mlp_layernorm;
  std::optional<change_of_width> widen;

 private:
  narrowed inputs_;
  f64 dropout_;
};

}  // namespace hft
