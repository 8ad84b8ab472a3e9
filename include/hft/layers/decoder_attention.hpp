// Self-attention of decoders beside an encoder, of several kinds.
#pragma once
#include <variant>

#include <hft/layers/fused_attention.hpp>
#include <hft/layers/stream_attention.hpp>

namespace hft {

/// A StreamAttention where AttentionOptions::streams has some, else self-attention from one projection where `fused`
/// says so, or from three; with rotary positions where `rotary` says so. One type for layers of any kind. Checkpoint
/// names: those of the layer it is.
template <class B>
class DecoderSelfAttention {
 public:
  explicit DecoderSelfAttention(const AttentionOptions& o) : layer(made(o)) {}

  /// (B,T,C) => (B,T,C), of streams (B,(1+n)T,C)
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    return std::visit([&](const auto& l) { return X(l(x, context)); }, layer);
  }
  void visit(visitor& v) {
    std::visit([&](auto& l) { l.visit(v); }, layer);
  }

  using kinds = std::variant<SelfAttention<B, rope>, FusedSelfAttention<B, rope>, StreamAttention<B>>;
  kinds layer;

 private:
  static kinds made(const AttentionOptions& o) {
    if (o.streams.count) return kinds(std::in_place_type<StreamAttention<B>>, o);
    if (o.fused) return kinds(std::in_place_type<FusedSelfAttention<B, rope>>, o);
    return kinds(std::in_place_type<SelfAttention<B, rope>>, o);
  }
};

}  // namespace hft
