// Blocks: a norm, an attention and an MLP around the residual stream.
#pragma once
#include <algorithm>
#include <cstddef>
#include <optional>
#include <vector>

#include <hft/layers/attention.hpp>
#include <hft/layers/context.hpp>
#include <hft/layers/cross_attention.hpp>
#include <hft/layers/dropout.hpp>
#include <hft/layers/mlp.hpp>
#include <hft/layers/norm.hpp>
#include <hft/module.hpp>
#include <hft/ops/elementwise.hpp>

namespace hft {

/// Where a block normalises: what attention and MLP see, what they give, both, or the sum with the residual stream.
enum class norms { before, after, both, of_the_sum };

/// What a block is built from; stock blocks have a norm, an attention and an MLP.
struct BlockOptions {
  NormOptions norm;
  AttentionOptions attention;
  MLPOptions mlp;
  f64 dropout = 0;                      // of what attention and MLP add, in a training pass
  std::optional<f64> mlp_dropout = {};  // of what the MLP adds, where it differs
  f64 residual_scale = 1;               // of what they add to a TransformerBlock, ...
  f64 stream_scale = 1;                 // ... and of what attention adds it to
  std::optional<f64> mlp_residual_scale = {}, mlp_stream_scale = {};  // the same of the MLP, where they differ
  hft::norms norms = norms::before;  // of a TransformerBlock; of a CrossBlock before or of_the_sum
  bool parallel = false;             // whether the MLP of a TransformerBlock sees what attention sees
  bool shared_norm = false;          // by the same norm
  bool from_normed = false;          // whether the residual stream goes on from what is normed
  bool attention_normed = true;      // else attention sees x itself, which was normed before (ModernBERT's first)
  // Checkpoint names of a TransformerBlock's norms, of an architecture that has several (Falcon).
  const char *first_norm = "input_layernorm", *second_norm = "post_attention_layernorm";
  const char* attention_name = "self_attn";              // that of its attention, where layers differ (Jamba)
  std::optional<AttentionOptions> cross_attention = {};  // of a decoder's block beside an encoder
};

/// Layers that stand in several places (ALBERT): groups of `size` layers, one behind the other, and which of these
/// groups stands in each place.
struct LayerGroups {
  isize size = 1;
  std::vector<isize> order;
};

/// x through all layers, in order; of groups in theirs. Where the pass asks for gradient checkpointing, each layer is
/// one checkpoint; where it asks for hidden states, it gets x and what each layer gives, or each group. `before(i)` is
/// called before layer i.
template <class Layers, class X, class Context, class Before>
X run_layers(const Layers& layers, X x, Context& context, const Before& before, const LayerGroups* groups = nullptr) {
  const isize size = groups ? groups->size : 1;
  isize count = groups ? size * isize(groups->order.size()) : isize(layers.size());
  if constexpr (requires { context.num_hidden_layers; })
    if (context.num_hidden_layers) count = std::min(count, size * context.num_hidden_layers);
  isize place = -1;
  const auto show = [&] {
    if (context.hidden_states && (place + 1) % size == 0) context.hidden_states->push_back(x);
  };
  show();
  for (place = 0; place < count; ++place) {
    const isize at = groups ? groups->order[std::size_t(place / size)] * size + place % size : place;
    const auto& layer = layers[std::size_t(at)];
    before(std::size_t(at));
    if constexpr (requires { context.gradient_checkpointing; }) {
      context.dropout.begin_layer(place);
      if (context.training && context.layer_drop > 0 && !(context.dropout.next(context.layer_drop).kept(0) & 1)) {
        show();
        continue;
      }
      if (context.gradient_checkpointing) {
        Context again = context;  // what is computed again is not shown again
        again.hidden_states = nullptr, again.attentions = again.cross_attentions = nullptr;
        again.router_logits = nullptr;
        const auto once = [&layer, context = again, pass = detail::current_pass()](const X& in, const auto& bias,
                                                                                   const X& source) mutable {
          detail::current_pass() = pass;
          context.attention_bias = bias, context.source.states = source;
          return X(layer(in, context));
        };
        x = gradient_checkpoint(once, x, context.attention_bias, context.source.states);
        show();
        continue;
      }
    }
    x = layer(x, context);
    show();
  }
  return x;
}

/// The block of Llama, GPT-2 and most decoders after them, with p and m norms before attention and MLP, s = 1:
///   h = x + s attention(p(x));  y = h + s mlp(m(h))
/// Where the options say so,
///   parallel            y = x + attention(p(x)) + mlp(m(x))             GPT-NeoX
///   and shared_norm     y = x + attention(p(x)) + mlp(p(x))             GPT-J, Phi
///   norms::after        h = x + p(attention(x));  y = h + m(mlp(h))     OLMo 2
///   norms::both         h = x + q(attention(p(x))), and so the MLP      Gemma 2
///   norms::of_the_sum   h = p(x + attention(x));  y = m(h + mlp(h))     the first Transformer, OPT-350M
///   from_normed         the residual stream goes on from p(x), not x    BLOOM, MiniMax
/// Checkpoint names: input_layernorm, self_attn, post_attention_layernorm, mlp; of norms::both, those of what is added:
/// post_self_attn_layernorm, post_mlp_layernorm.
template <class Norm, class Attention, class Mlp>
class TransformerBlock {
 public:
  using options = BlockOptions;

  /// Throws value_error for options that exclude each other.
  explicit TransformerBlock(const BlockOptions& o)
      : input_layernorm(o.norm),
        self_attn(o.attention),
        mlp(o.mlp),
        norms_(o.norms),
        parallel_(o.parallel),
        from_normed_(o.from_normed),
        attention_normed_(o.attention_normed),
        dropout_(o.dropout),
        mlp_dropout_(o.mlp_dropout.value_or(o.dropout)),
        scale_(o.residual_scale),
        stream_scale_(o.stream_scale),
        mlp_scale_(o.mlp_residual_scale.value_or(o.residual_scale)),
        mlp_stream_scale_(o.mlp_stream_scale.value_or(o.stream_scale)),
        first_norm_(o.first_norm),
        second_norm_(o.second_norm),
        attention_name_(o.attention_name) {
    if (!o.shared_norm) post_attention_layernorm.emplace(o.norm);
    if (o.norms == norms::both) post_self_attn_layernorm.emplace(o.norm), post_mlp_layernorm.emplace(o.norm);
    if ((o.parallel && o.norms != norms::before) || (o.shared_norm && !o.parallel) ||
        (o.from_normed && (o.parallel || o.norms != norms::before)) ||
        (!o.attention_normed && (o.parallel || o.norms != norms::before)))
      throw value_error("TransformerBlock", "options", "a parallel block, or one that normalises elsewhere", "both");
  }

  /// (B,T,C) => (B,T,C)
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    const auto times = [](const X& y, f64 factor) { return factor == 1 ? y : scale(y, factor); };
    const auto with = [&](const X& to, const X& a) {
      return add(times(to, stream_scale_), times(apply_dropout(a, dropout_, context), scale_));
    };
    const auto fed = [&](const X& to, const X& m) {
      return add(times(to, mlp_stream_scale_), times(apply_dropout(m, mlp_dropout_, context), mlp_scale_));
    };
    const auto feed = [&](const X& h) { return detail::feed_forward(mlp, h, context); };
    const auto& second = post_attention_layernorm ? *post_attention_layernorm : input_layernorm;
    if (norms_ == norms::after) {
      const X h = with(x, input_layernorm(self_attn(x, context)));
      return fed(h, second(feed(h)));
    }
    if (norms_ == norms::of_the_sum) {
      const X h = input_layernorm(with(x, self_attn(x, context)));
      return second(fed(h, feed(h)));
    }
    const X normed = attention_normed_ ? input_layernorm(x) : x;
    X a = self_attn(normed, context);
    if (parallel_) return fed(with(x, a), feed(post_attention_layernorm ? second(x) : normed));
    if (post_self_attn_layernorm) a = (*post_self_attn_layernorm)(a);
    const X h = with(from_normed_ ? normed : x, a), normed_h = second(h);
    X m = feed(normed_h);
    if (post_mlp_layernorm) m = (*post_mlp_layernorm)(m);
    return fed(from_normed_ ? normed_h : h, m);
  }

  void visit(visitor& v) {
    if (attention_normed_) v(first_norm_, input_layernorm);
    v(attention_name_, self_attn);
    v("post_self_attn_layernorm", post_self_attn_layernorm);
    v(second_norm_, post_attention_layernorm);
    v("mlp", mlp);
    v("post_mlp_layernorm", post_mlp_layernorm);
  }

  Norm input_layernorm;
  Attention self_attn;
  std::optional<Norm> post_self_attn_layernorm, post_attention_layernorm;
  Mlp mlp;
  std::optional<Norm> post_mlp_layernorm;

 private:
  norms norms_;
  bool parallel_, from_normed_, attention_normed_;
  f64 dropout_, mlp_dropout_, scale_, stream_scale_, mlp_scale_, mlp_stream_scale_;
  const char *first_norm_, *second_norm_, *attention_name_;
};

/// As it is with no options said.
template <class Norm, class Attention, class Mlp>
using PreNormBlock = TransformerBlock<Norm, Attention, Mlp>;

/// The block of a decoder beside an encoder:
///   h = x + attention(p(x));  c = h + cross_attention(q(h), source);  y = c + mlp(m(c))
/// or, with norms::of_the_sum, as the first Transformer and BART have it,
///   h = p(x + attention(x));  c = q(h + cross_attention(h, source));  y = m(c + mlp(c))
/// Without a source there is no cross-attention. Checkpoint names: input_layernorm, self_attn, cross_attn_layernorm,
/// cross_attn, post_attention_layernorm, mlp.
template <class Norm, class Attention, class Cross, class Mlp>
class CrossBlock {
 public:
  using options = BlockOptions;

  /// Throws value_error without options of the cross-attention.
  explicit CrossBlock(const BlockOptions& o)
      : input_layernorm(o.norm),
        self_attn(o.attention),
        cross_attn_layernorm(o.norm),
        cross_attn(checked(o)),
        post_attention_layernorm(o.norm),
        mlp(o.mlp),
        post_norm_(o.norms == norms::of_the_sum),
        dropout_(o.dropout) {}

  /// (B,T,C) => (B,T,C)
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    const auto step = [&](const X& to, const Norm& norm, const auto& layer) {
      const X y = add(to, apply_dropout(X(layer(post_norm_ ? to : norm(to))), dropout_, context));
      return post_norm_ ? norm(y) : y;
    };
    X h = step(x, input_layernorm, [&](const X& in) { return self_attn(in, context); });
    if (context.source.states)
      h = step(h, cross_attn_layernorm, [&](const X& in) { return cross_attn(in, context.source, context); });
    return step(h, post_attention_layernorm, [&](const X& in) { return detail::feed_forward(mlp, in, context); });
  }

  void visit(visitor& v) {
    v("input_layernorm", input_layernorm);
    v("self_attn", self_attn);
    v("cross_attn_layernorm", cross_attn_layernorm);
    v("cross_attn", cross_attn);
    v("post_attention_layernorm", post_attention_layernorm);
    v("mlp", mlp);
  }

  Norm input_layernorm;
  Attention self_attn;
  Norm cross_attn_layernorm;
  Cross cross_attn;
  Norm post_attention_layernorm;
  Mlp mlp;

 private:
  static const AttentionOptions& checked(const BlockOptions& o) {
    if (!o.cross_attention) throw value_error("CrossBlock", "cross_attention", "its options", "none");
    return *o.cross_attention;
  }

  bool post_norm_;
  f64 dropout_;
};

template <class MixerOptions>
struct ResidualBlockOptions {
  NormOptions norm;
  MixerOptions mixer;
};

/// One mixer around the residual stream, as Mamba has it:  y = x + mixer(norm(x))
/// Checkpoint names: norm, mixer.
template <class Norm, class Mixer>
class ResidualBlock {
 public:
  using options = ResidualBlockOptions<typename Mixer::options>;

  explicit ResidualBlock(const options& o) : norm(o.norm), mixer(o.mixer) {}

  /// (B,T,C) => (B,T,C)
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    return add(x, mixer(norm(x), context));
  }

  void visit(visitor& v) {
    v("norm", norm);
    v("mixer", mixer);
  }

  Norm norm;
  Mixer mixer;
};

/// The post-norm block of the first Transformer and of BERT:
///   h = norm(x + attention(x));  y = norm(h + mlp(h))
/// Checkpoint names: self_attn, post_attention_layernorm, mlp, post_mlp_layernorm. Options: of the parts, and dropout.
template <class Norm, class Attention, class Mlp, class Options = BlockOptions>
class PostNormBlock {
 public:
  using options = Options;

  explicit PostNormBlock(const Options& o)
      : self_attn(o.attention),
        post_attention_layernorm(o.norm),
        mlp(o.mlp),
        post_mlp_layernorm(o.norm),
        dropout_(o.dropout),
        mlp_dropout_(o.mlp_dropout.value_or(o.dropout)) {}

  /// (B,T,C) => (B,T,C)
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    const X h = post_attention_layernorm(add(apply_dropout(self_attn(x, context), dropout_, context), x));
    return post_mlp_layernorm(add(apply_dropout(detail::feed_forward(mlp, h, context), mlp_dropout_, context), h));
  }

  void visit(visitor& v) {
    v("self_attn", self_attn);
    v("post_attention_layernorm", post_attention_layernorm);
    v("mlp", mlp);
    v("post_mlp_layernorm", post_mlp_layernorm);
  }

  Attention self_attn;
  Norm post_attention_layernorm;
  Mlp mlp;
  Norm post_mlp_layernorm;

 private:
  f64 dropout_, mlp_dropout_;
};

}  // namespace hft
