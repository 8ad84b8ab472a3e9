// MixingBlock: BERT's block around any layer in which tokens see each other.
#pragma once
#include <optional>
#include <variant>

#include <hft/layers/block.hpp>
#include <hft/layers/disentangled_attention.hpp>
#include <hft/layers/fourier_mixing.hpp>
#include <hft/layers/global_attention.hpp>
#include <hft/layers/grouped_linear.hpp>
#include <hft/layers/one_of.hpp>
#include <hft/layers/permuted_attention.hpp>
#include <hft/layers/span_attention.hpp>
#include <hft/layers/token_convolution.hpp>
#include <hft/ops/mask_tokens.hpp>

namespace hft {

/// A layer in which tokens see each other, of encoders that have no plain attention.
template <class B>
using TokenMixer = OneOf<GroupedAttention<B>, FourierMixing, SpanAttention<B>, DisentangledAttention<B>,
                         GlobalAttention<B>, PermutedAttention<B>>;

using MixerOptions = std::variant<GroupedAttentionOptions, FourierMixingOptions, SpanAttentionOptions,
                                  DisentangledAttentionOptions, GlobalAttentionOptions, PermutedAttentionOptions>;

/// Of a convolution beside a block (DeBERTa's second version).
struct BesideOptions {
  isize taps, groups = 1;
  Activation activation = Activation::tanh;
  f64 dropout = 0;
};

struct MixingBlockOptions {
  NormOptions norm;
  MixerOptions mixer;
  GroupedMLPOptions mlp;
  f64 dropout = 0;                        // of what the mixer and the MLP add, in a training pass
  std::optional<f64> mixer_dropout = {};  // of what the mixer adds, where it differs
  std::optional<BesideOptions> beside = {};
};

/// The convolution of what a block sees, beside the block:  y = norm(block(x) + f(conv(x))), padding zero
/// Checkpoint names: conv, norm. (transformers.models.deberta_v2.ConvLayer)
template <class B>
class ConvolutionBeside {
 public:
  ConvolutionBeside(const BesideOptions& o, const NormOptions& n)
      : conv(n.size, n.size, o.taps, o.groups), norm(n), options_(o) {}

  /// x (B,T,C) and what the block made of it => (B,T,C)
  template <class X, class Context>
  X operator()(const X& x, const X& y, Context& context) const {
    const auto without_padding = [&](const X& h) { return context.key_mask ? mask_tokens(h, context.key_mask) : h; };
    const X added = apply_dropout(without_padding(conv(x)), options_.dropout, context);
    return without_padding(norm(add(y, activate(added, options_.activation))));
  }
  void visit(visitor& v) {
    v("conv", conv);
    v("norm", norm);
  }

  TokenConvolution<B> conv;
  LayerNorm<B> norm;

 private:
  BesideOptions options_;
};

/// h = norm(x + mixer(x));  y = norm(h + mlp(h))
/// Checkpoint names: self_attn, post_attention_layernorm, mlp, post_mlp_layernorm, beside.
template <class B>
class MixingBlock {
 public:
  using options = MixingBlockOptions;

  explicit MixingBlock(const options& o)
      : self_attn(o.mixer),
        post_attention_layernorm(o.norm),
        mlp(o.mlp),
        post_mlp_layernorm(o.norm),
        dropout_(o.dropout),
        mixer_dropout_(o.mixer_dropout.value_or(o.dropout)) {
    if (o.beside) beside.emplace(*o.beside, o.norm);
  }

  /// (B,T,C) => (B,T,C)
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    const X h = post_attention_layernorm(add(apply_dropout(self_attn(x, context), mixer_dropout_, context), x));
    const X y = post_mlp_layernorm(add(apply_dropout(mlp(h), dropout_, context), h));
    return beside ? (*beside)(x, y, context) : y;
  }
  void visit(visitor& v) {
    v("self_attn", self_attn);
    v("post_attention_layernorm", post_attention_layernorm);
    v("mlp", mlp);
    v("post_mlp_layernorm", post_mlp_layernorm);
    v("beside", beside);
  }

  TokenMixer<B> self_attn;
  LayerNorm<B> post_attention_layernorm;
  GroupedMLP<B> mlp;
  LayerNorm<B> post_mlp_layernorm;
  std::optional<ConvolutionBeside<B>> beside;

 private:
  f64 dropout_, mixer_dropout_;
};

}  // namespace hft
