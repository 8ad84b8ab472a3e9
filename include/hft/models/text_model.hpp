// The backbones of models over tokens.
//
//   template <class B> using MyBlock = PreNormBlock<LayerNorm<B>, SelfAttention<B, alibi>, MLP<B, gelu>>;
//   TextModel<MyBlock, LayerNorm, build<f32>> model(config.text_model());
#pragma once
#include <hft/layers/text_embeddings.hpp>
#include <hft/models/backbone.hpp>

namespace hft {

/// Over tokens alone, as rotary decoders are: without tables of positions, types and biases, and without a pooler.
template <class Layer = BlockOptions>
using TokenModelOptions = BackboneOptions<TokenEmbeddingsOptions, Layer>;
template <class Layer = BlockOptions>
using TextModelOptions = BackboneOptions<TextEmbeddingsOptions, Layer>;

/// Checkpoint names: embed_tokens, layers, norm.
template <template <class> class Block, template <class> class Norm, class B>
using TokenModel = Backbone<TokenEmbeddings, Block, Norm, B>;
/// Checkpoint names: embed_tokens, embed_positions, embed_token_types, embed_norm, layers, norm, pooler.
template <template <class> class Block, template <class> class Norm, class B>
using TextModel = Backbone<TextEmbeddings, Block, Norm, B>;

namespace detail {
template <class Options, template <class> class Block, template <class> class Norm, class B>
struct model_of;
template <class Layer, template <class> class Block, template <class> class Norm, class B>
struct model_of<TokenModelOptions<Layer>, Block, Norm, B> {
  using type = TokenModel<Block, Norm, B>;
};
template <class Layer, template <class> class Block, template <class> class Norm, class B>
struct model_of<TextModelOptions<Layer>, Block, Norm, B> {
  using type = TextModel<Block, Norm, B>;
};
}  // namespace detail

/// The one that a config's text_model() has the options of.
template <class Config, template <class> class Block, template <class> class Norm, class B>
using ModelOf = typename detail::model_of<decltype(std::declval<const Config&>().text_model()), Block, Norm, B>::type;

}  // namespace hft
