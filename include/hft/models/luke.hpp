// LUKE: RoBERTa over words and entities, whose attention knows which of both it meets. Yamada et al. 2020, arXiv
// 2010.01057. transformers/models/luke/modeling_luke.py
#pragma once
#include <hft/models/heads/entities.hpp>
#include <hft/models/roberta.hpp>

namespace hft {

/// transformers.LukeConfig; fields have its names and defaults.
struct LukeConfig : RobertaConfig {
  isize entity_vocab_size = 500000, entity_emb_size = 256;
  bool use_entity_aware_attention = true;

  static constexpr const char* model_type = "luke";
  static constexpr const char* class_prefix = "Luke";

  LukeConfig() {
    vocab_size = 50267;
    bos_token_id = 0;
    eos_token_id = 2;
  }
  void fields(field_visitor& v);
  void check() const;
  BackboneOptions<EntityEmbeddingsOptions, BlockOptions> entity_model() const;
  MaskedLMHeadOptions masked_lm_head() const {
    auto o = RobertaConfig::masked_lm_head();
    o.tied = false;  // Transformers does not tie it
    o.one_bias = true;
    return o;
  }
  MaskedLMHeadOptions entity_head() const {
    return {.hidden_size = hidden_size,
            .vocab_size = entity_vocab_size,
            .activation = find_activation(hidden_act, model_type),
            .norm = {.size = entity_emb_size, .eps = layer_norm_eps},
            .decoded_size = entity_emb_size};
  }

  static constexpr name_rule own_rules[] = {
      {"entities.embed_tokens", "entity_embeddings.entity_embeddings"},
      {"entities.project_in", "entity_embeddings.entity_embedding_dense"},
      {"entities.embed_positions", "entity_embeddings.position_embeddings"},
      {"entities.embed_token_types", "entity_embeddings.token_type_embeddings"},
      {"entities.norm", "entity_embeddings.LayerNorm"},
      {"layers.*.self_attn.w2e_query", "encoder.layer.*.attention.self.w2e_query"},
      {"layers.*.self_attn.e2w_query", "encoder.layer.*.attention.self.e2w_query"},
      {"layers.*.self_attn.e2e_query", "encoder.layer.*.attention.self.e2e_query"},
      {"entity_head.dense", "entity_predictions.transform.dense"},
      {"entity_head.norm", "entity_predictions.transform.LayerNorm"},
      {"entity_head.bias", "entity_predictions.bias"},
      {"head.bias", "lm_head.decoder.bias"}};
  static constexpr auto rules = joined_rules(own_rules, layer_rules, head_rules);
  static constexpr std::string_view may_be_left[] = {"*pooler.dense.*", "lm_head.bias", "entity_predictions.decoder.*"};
  static constexpr name_tables names{
      .base_model_prefix = "luke", .rules = rules, .ignored = ignored, .may_be_left = may_be_left};
};

template <class B>
using LukeBlock = PostNormBlock<LayerNorm<B>, EntityAwareAttention<B>, MLP<B>>;
/// The backbone.
template <class B>
using LukeEncoder = Backbone<EntityEmbeddings, LukeBlock, LayerNorm, B>;

template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using LukeModel = PreTrainedModel<LukeConfig, LukeEncoder<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using LukeForMaskedLM = PreTrainedModel<LukeConfig, EntityForMaskedLM<LukeEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using LukeForEntityClassification =
    PreTrainedModel<LukeConfig, ForEntityClassification<LukeEncoder<build<W, D, L, S>>, one_entity>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using LukeForEntityPairClassification =
    PreTrainedModel<LukeConfig, ForEntityClassification<LukeEncoder<build<W, D, L, S>>, entity_pair>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using LukeForEntitySpanClassification =
    PreTrainedModel<LukeConfig, ForEntitySpanClassification<LukeEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using LukeForSequenceClassification =
    PreTrainedModel<LukeConfig, ForSequenceClassification<LukeEncoder<build<W, D, L, S>>, pooled>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using LukeForTokenClassification = PreTrainedModel<LukeConfig, ForTokenClassification<LukeEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using LukeForQuestionAnswering = PreTrainedModel<LukeConfig, ForQuestionAnswering<LukeEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using LukeForMultipleChoice = PreTrainedModel<LukeConfig, ForMultipleChoice<LukeEncoder<build<W, D, L, S>>, pooled>>;

struct luke
    : architecture<LukeConfig, LukeModel, LukeForMaskedLM, LukeForEntityClassification, LukeForEntityPairClassification,
                   LukeForEntitySpanClassification, LukeForSequenceClassification, LukeForTokenClassification,
                   LukeForQuestionAnswering, LukeForMultipleChoice> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void LukeConfig::fields(field_visitor& v) {
  EncoderConfig::fields(v);
  v("entity_vocab_size", entity_vocab_size, v.extent);
  v("entity_emb_size", entity_emb_size, v.extent);
  v("use_entity_aware_attention", use_entity_aware_attention);
}

HFT_INLINE void LukeConfig::check() const {
  EncoderConfig::check(model_type);
  if (!tie_word_embeddings) throw unsupported_error(model_type, "tie_word_embeddings", "true", "false");
}

HFT_INLINE BackboneOptions<EntityEmbeddingsOptions, BlockOptions> LukeConfig::entity_model() const {
  auto text = RobertaConfig::text_model();
  for (auto& layer : text.layers) layer.attention.entity_aware = use_entity_aware_attention;
  EntityEmbeddingsOptions embeddings{text.embeddings, entity_vocab_size, entity_emb_size, max_position_embeddings};
  return {
      .where = "LukeModel", .embeddings = embeddings, .layers = text.layers, .pooler = text.pooler, .causal = false};
}

#endif  // HFT_DEFINES

}  // namespace hft
