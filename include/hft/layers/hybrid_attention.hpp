// Self-attention or a recurrent layer in its place, as many decoders have them by turns.
#pragma once
#include <variant>

#include <hft/layers/attention.hpp>
#include <hft/layers/block.hpp>
#include <hft/layers/decay_attention.hpp>
#include <hft/layers/experts.hpp>
#include <hft/layers/gated_delta_net.hpp>
#include <hft/layers/gated_recurrence.hpp>
#include <hft/layers/mamba.hpp>
#include <hft/layers/short_convolution.hpp>

namespace hft {

/// Self-attention, or what the options have options of in its place: decay (MiniMax), delta (Qwen3-Next), convolution
/// (LFM2), mamba (Jamba), recurrence (Griffin). One type for layers of any kind. Checkpoint names: those of the layer
/// it is.
template <class B>
class HybridAttention {
 public:
  explicit HybridAttention(const AttentionOptions& o) : layer(made(o)) {}

  /// (B,T,C) => (B,T,C)
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    return std::visit([&](const auto& l) { return X(l(x, context)); }, layer);
  }
  void visit(visitor& v) {
    std::visit([&](auto& l) { l.visit(v); }, layer);
  }

  using kinds = std::variant<SelfAttention<B, rope>, DecayAttention<B>, GatedDeltaNet<B>, ShortConvolution<B>,
                             MambaMixer<B>, GatedRecurrence<B>>;
  kinds layer;

 private:
  static kinds made(const AttentionOptions& o) {
    if (o.decay) return kinds(std::in_place_type<DecayAttention<B>>, o);
    if (o.delta) return kinds(std::in_place_type<GatedDeltaNet<B>>, o);
    if (o.convolution) return kinds(std::in_place_type<ShortConvolution<B>>, o);
    if (o.mamba) return kinds(std::in_place_type<MambaMixer<B>>, o);
    if (o.recurrence) return kinds(std::in_place_type<GatedRecurrence<B>>, o);
    return kinds(std::in_place_type<SelfAttention<B, rope>>, o);
  }
};

/// The block of decoders that have it: one body for all of them.
template <class B>
using HybridBlock = TransformerBlock<RMSNorm<B>, HybridAttention<B>, SparseMLP<B>>;

}  // namespace hft
