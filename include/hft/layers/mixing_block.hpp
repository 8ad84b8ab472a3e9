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
  MixerOptions attention;  // or what stands in its place
  GroupedMLPOptions mlp;
  f64 dropout = 0;                      // of what mixer and MLP add, in a training pass
  std::optional<f64> mlp_dropout = {};  // of what the MLP adds, where it differs
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

/// A PostNormBlock, and what may stand beside it. Checkpoint names: those of the block, beside.
template <class B>
class MixingBlock : public PostNormBlock<LayerNorm<B>, TokenMixer<B>, GroupedMLP<B>, MixingBlockOptions> {
  using block = PostNormBlock<LayerNorm<B>, TokenMixer<B>, GroupedMLP<B>, MixingBlockOptions>;

 public:
  explicit MixingBlock(const MixingBlockOptions& o) : block(o) {
    if (o.beside) beside.emplace(*o.beside, o.norm);
  }

  /// (B,T,C) => (B,T,C)
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    const X y = block::operator()(x, context);
    return beside ? (*beside)(x, y, context) : y;
  }
  void visit(visitor& v) {
    block::visit(v);
    v("beside", beside);
  }

  std::optional<ConvolutionBeside<B>> beside;
};

}  // namespace hft
