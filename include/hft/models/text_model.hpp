// TextModel: the backbone of models over tokens.
//
//   template <class B> using MyBlock = PreNormBlock<LayerNorm<B>, SelfAttention<B, alibi>, MLP<B, gelu>>;
//   TextModel<MyBlock, LayerNorm, build<f32>> model(config.text_model());
#pragma once
#include <hft/layers/text_embeddings.hpp>
#include <hft/models/backbone.hpp>

namespace hft {

template <class Layer = BlockOptions>
using TextModelOptions = BackboneOptions<TextEmbeddingsOptions, Layer>;

/// Checkpoint names: embed_tokens, embed_positions, embed_token_types, embed_norm, layers, norm, pooler.
template <template <class> class Block, template <class> class Norm, class B>
using TextModel = Backbone<TextEmbeddings, Block, Norm, B>;

}  // namespace hft
