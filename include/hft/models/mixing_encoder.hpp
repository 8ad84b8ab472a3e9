// MixingEncoder: encoders that have BERT's blocks around something else than plain attention, in one type. A part of
// the config that they share with BERT.
#pragma once
#include <variant>

#include <hft/layers/bottleneck_block.hpp>
#include <hft/layers/funnel_stack.hpp>
#include <hft/layers/global_embeddings.hpp>
#include <hft/layers/mixing_block.hpp>
#include <hft/layers/one_of_embeddings.hpp>
#include <hft/layers/relative_embeddings.hpp>
#include <hft/layers/trigram_embeddings.hpp>
#include <hft/layers/two_stream_embeddings.hpp>
#include <hft/models/encoder.hpp>

namespace hft {

template <class B>
using MixingEncoderBlock = OneOf<MixingBlock<B>, BottleneckBlock<B>, FunnelStack<B>>;
template <class B>
using MixingEmbeddings = OneOfEmbeddings<TextEmbeddings<B>, RelativeEmbeddings<B>, GlobalEmbeddings<B>,
                                         TwoStreamEmbeddings<B>, TrigramEmbeddings<B>>;
template <class B>
using MixingEncoder = Backbone<MixingEmbeddings, MixingEncoderBlock, LayerNorm, B>;
using MixingEncoderOptions =
    BackboneOptions<std::variant<TextEmbeddingsOptions, RelativeEmbeddingsOptions, GlobalEmbeddingsOptions,
                                 TwoStreamEmbeddingsOptions, TrigramEmbeddingsOptions>,
                    std::variant<MixingBlockOptions, BottleneckBlockOptions, FunnelStackOptions>>;

/// What an EncoderConfig says of such an encoder, over TextEmbeddings; mixers are to be set.
MixingEncoderOptions mixing_encoder(const EncoderConfig& config, const char* where);

/// Self-attention of an EncoderConfig's layer.
AttentionOptions encoder_attention(const EncoderConfig& config, isize layer);

#if HFT_DEFINES(MODELS)

HFT_INLINE MixingEncoderOptions mixing_encoder(const EncoderConfig& config, const char* where) {
  const auto plain = config.text_model(where);
  MixingEncoderOptions o{.where = where, .embeddings = plain.embeddings, .pooler = plain.pooler, .causal = false};
  for (const auto& layer : plain.layers)
    o.layers.push_back(
        MixingBlockOptions{.norm = layer.norm, .attention = {}, .mlp = {layer.mlp}, .dropout = layer.dropout});
  return o;
}

HFT_INLINE AttentionOptions encoder_attention(const EncoderConfig& config, isize layer) {
  return config.text_model("encoder").layers.at(std::size_t(layer)).attention;
}

#endif  // HFT_DEFINES

}  // namespace hft
