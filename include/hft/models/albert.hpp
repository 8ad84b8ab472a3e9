// ALBERT: BERT whose layers share their weights in groups, with narrower embeddings. Lan et al. 2019, arXiv 1909.11942.
// transformers/models/albert/modeling_albert.py
#pragma once
#include <hft/models/encoder.hpp>

namespace hft {

/// transformers.AlbertConfig; fields have its names and defaults.
struct AlbertConfig : EncoderConfig {
  isize embedding_size = 128;
  isize num_hidden_groups = 1, inner_group_num = 1;
  f64 classifier_dropout_prob = 0.1;

  static constexpr const char* model_type = "albert";
  static constexpr const char* class_prefix = "Albert";

  AlbertConfig();
  void fields(field_visitor& v);
  void check() const;
  TextModelOptions<> text_model() const;
  MaskedLMHeadOptions masked_lm_head() const;
  SentenceHeadOptions sentence_head() const {
    return {.logits = "sop_logits", .num_labels = id2label.count(), .dropout = classifier_dropout_prob};
  }
  ClassifierOptions classifier() const;

  static constexpr name_rule rules[] = {
      {"embed_tokens", "embeddings.word_embeddings"},
      {"embed_positions", "embeddings.position_embeddings"},
      {"embed_token_types", "embeddings.token_type_embeddings"},
      {"embed_norm", "embeddings.LayerNorm"},
      {"project_in", "encoder.embedding_hidden_mapping_in"},
      {"layers.*.*.self_attn.q_proj", "encoder.albert_layer_groups.*.albert_layers.*.attention.query"},
      {"layers.*.*.self_attn.k_proj", "encoder.albert_layer_groups.*.albert_layers.*.attention.key"},
      {"layers.*.*.self_attn.v_proj", "encoder.albert_layer_groups.*.albert_layers.*.attention.value"},
      {"layers.*.*.self_attn.o_proj", "encoder.albert_layer_groups.*.albert_layers.*.attention.dense"},
      {"layers.*.*.post_attention_layernorm", "encoder.albert_layer_groups.*.albert_layers.*.attention.LayerNorm"},
      {"layers.*.*.mlp.up_proj", "encoder.albert_layer_groups.*.albert_layers.*.ffn"},
      {"layers.*.*.mlp.down_proj", "encoder.albert_layer_groups.*.albert_layers.*.ffn_output"},
      {"layers.*.*.post_mlp_layernorm", "encoder.albert_layer_groups.*.albert_layers.*.full_layer_layer_norm"},
      {"pooler.dense", "pooler"},
      {"head.dense", "predictions.dense"},
      {"head.norm", "predictions.LayerNorm"},
      {"head.bias", "predictions.bias"},
      {"decoder", "predictions.decoder"},
      {"seq_relationship", "sop_classifier.classifier"}};
  static constexpr std::string_view ignored[] = {"*embeddings.position_ids"};
  static constexpr std::string_view may_be_left[] = {"*pooler.weight", "*pooler.bias", "sop_classifier.*"};
  static constexpr name_tables names{
      .base_model_prefix = "albert", .rules = rules, .ignored = ignored, .may_be_left = may_be_left};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using AlbertModel = PreTrainedModel<AlbertConfig, PostNormEncoder<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using AlbertForPreTraining = PreTrainedModel<AlbertConfig, ForPreTraining<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using AlbertForMaskedLM = PreTrainedModel<AlbertConfig, ForMaskedLM<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using AlbertForSequenceClassification =
    PreTrainedModel<AlbertConfig, ForSequenceClassification<PostNormEncoder<build<W, D, L, S>>, pooled>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using AlbertForTokenClassification =
    PreTrainedModel<AlbertConfig, ForTokenClassification<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using AlbertForQuestionAnswering =
    PreTrainedModel<AlbertConfig, ForQuestionAnswering<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using AlbertForMultipleChoice =
    PreTrainedModel<AlbertConfig, ForMultipleChoice<PostNormEncoder<build<W, D, L, S>>, pooled>>;

struct albert
    : architecture<AlbertConfig, AlbertModel, AlbertForPreTraining, AlbertForMaskedLM, AlbertForSequenceClassification,
                   AlbertForTokenClassification, AlbertForQuestionAnswering, AlbertForMultipleChoice> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE AlbertConfig::AlbertConfig() {
  vocab_size = 30000;
  hidden_size = 4096;
  num_attention_heads = 64;
  intermediate_size = 16384;
  hidden_act = "gelu_new";
  hidden_dropout_prob = attention_probs_dropout_prob = 0;
  bos_token_id = 2;
  eos_token_id = 3;
}

HFT_INLINE void AlbertConfig::fields(field_visitor& v) {
  EncoderConfig::fields(v);
  v("embedding_size", embedding_size, v.extent);
  v("num_hidden_groups", num_hidden_groups, v.extent);
  v("inner_group_num", inner_group_num, v.extent);
  v("classifier_dropout_prob", classifier_dropout_prob, v.rate);
}

HFT_INLINE void AlbertConfig::check() const {
  EncoderConfig::check(model_type);
  if (f64(num_hidden_groups) * f64(inner_group_num) > field_visitor::layers.most)
    throw config_error(model_type, "num_hidden_groups",
                       detail::joined("at most ", isize(field_visitor::layers.most), " layers in all groups"),
                       detail::joined(num_hidden_groups, " times ", inner_group_num));
}

HFT_INLINE TextModelOptions<> AlbertConfig::text_model() const {
  EncoderConfig c = *this;
  c.num_hidden_layers = num_hidden_groups * inner_group_num;
  auto o = c.text_model("AlbertModel");
  project_embeddings(o, embedding_size, true);
  for (auto& layer : o.layers) layer.mlp_dropout = 0;
  o.groups = LayerGroups{.size = inner_group_num, .order = {}};
  for (isize i = 0; i < num_hidden_layers; ++i)
    o.groups->order.push_back(isize(f64(i) / (f64(num_hidden_layers) / f64(num_hidden_groups))));
  return o;
}

HFT_INLINE MaskedLMHeadOptions AlbertConfig::masked_lm_head() const {
  auto o = EncoderConfig::masked_lm_head();
  o.decoded_size = o.norm.size = embedding_size;
  return o;
}

HFT_INLINE ClassifierOptions AlbertConfig::classifier() const {
  auto o = EncoderConfig::classifier();
  o.dropout = classifier_dropout_prob;
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
