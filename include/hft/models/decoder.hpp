// Decoders and their heads: compositions that architectures name.
//
//   template <class B> using MyBlock = PreNormBlock<LayerNorm<B>, SelfAttention<B, alibi>, MLP<B, gelu>>;
//   template <class W, Device D = cpu> using MyLM = CausalLM<MyConfig, MyBlock, LayerNorm, build<W, D>>;
#pragma once
#include <hft/layers/attention.hpp>
#include <hft/layers/mlp.hpp>
#include <hft/layers/norm.hpp>
#include <hft/layers/positions.hpp>
#include <hft/models/heads/causal_lm.hpp>
#include <hft/models/heads/classification.hpp>
#include <hft/models/heads/question_answering.hpp>
#include <hft/models/pretrained.hpp>
#include <hft/models/text_model.hpp>

namespace hft {

template <class Config, template <class> class Block, template <class> class Norm, class B>
using DecoderModel = PreTrainedModel<Config, ModelOf<Config, Block, Norm, B>>;

template <class Config, template <class> class Block, template <class> class Norm, class B>
using CausalLM = PreTrainedModel<Config, ForCausalLM<ModelOf<Config, Block, Norm, B>>>;

template <class Config, template <class> class Block, template <class> class Norm, class B>
using DecoderForSequenceClassification =
    PreTrainedModel<Config, ForSequenceClassification<ModelOf<Config, Block, Norm, B>, last_token>>;

template <class Config, template <class> class Block, template <class> class Norm, class B>
using DecoderForTokenClassification = PreTrainedModel<Config, ForTokenClassification<ModelOf<Config, Block, Norm, B>>>;

template <class Config, template <class> class Block, template <class> class Norm, class B>
using DecoderForQuestionAnswering = PreTrainedModel<Config, ForQuestionAnswering<ModelOf<Config, Block, Norm, B>>>;

}  // namespace hft
