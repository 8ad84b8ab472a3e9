// DeBERTa: BERT with attention to relative positions by contents and to contents by positions. He et al. 2020, arXiv
// 2006.03654. transformers/models/deberta/modeling_deberta.py
#pragma once
#include <hft/models/bert.hpp>
#include <hft/models/mixing_encoder.hpp>

namespace hft {

/// What all versions have; fields have the names and defaults of transformers.DebertaConfig, those that are optional
/// Transformers reads where a file has them.
struct DebertaFields : EncoderConfig {
  bool relative_attention = false, position_biased_input = true;
  isize max_relative_positions = -1;  // below 1: max_position_embeddings
  std::vector<std::string> pos_att_type = {};
  f64 pooler_dropout = 0;
  short_string pooler_hidden_act = "gelu";
  bool legacy = true;                                                 // whether the head over the vocabulary is BERT's
  std::optional<isize> pooler_hidden_size = {}, embedding_size = {};  // default: hidden_size
  std::optional<f64> cls_dropout = {};                                // default: hidden_dropout_prob

  DebertaFields() {
    type_vocab_size = 0;
    layer_norm_eps = 1e-7;
  }
  void fields(field_visitor& v);
  void check(const char* model_type) const;

  bool has(std::string_view type) const;  // of pos_att_type
  isize embedded() const { return embedding_size.value_or(hidden_size); }
  isize reach() const { return max_relative_positions < 1 ? max_position_embeddings : max_relative_positions; }
  /// Mixers without places, of a table of so many rows.
  MixingEncoderOptions text_model(const char* where, isize span, f64 kinds) const;
  MaskedLMHeadOptions masked_lm_head() const;
  ClassifierOptions classifier() const;
  f64 token_dropout() const { return hidden_dropout_prob; }

  static constexpr name_rule own_rules[] = {{"project_sum", "embeddings.embed_proj"},
                                            {"embed_relative", "encoder.rel_embeddings"},
                                            {"relative_norm", "encoder.LayerNorm"},
                                            {"own_head.dense", "lm_predictions.lm_head.dense"},
                                            {"own_head.norm", "lm_predictions.lm_head.LayerNorm"},
                                            {"own_head.bias", "lm_predictions.lm_head.bias"},
                                            {"classifier.dense", "pooler.dense"},
                                            {"classifier.out_proj", "classifier"}};
  static constexpr name_rule mixer_rules[] = {{"layers.*.self_attn", "encoder.layer.*.attention.self"}};
  static constexpr std::string_view ignored[] = {"*embeddings.position_ids", "*position_embeddings",
                                                 "mask_predictions.*"};
};

/// transformers.DebertaConfig.
struct DebertaConfig : DebertaFields {
  std::optional<bool> talking_head = {};

  static constexpr const char* model_type = "deberta";
  static constexpr const char* class_prefix = "Deberta";

  DebertaConfig() { vocab_size = 50265; }
  void fields(field_visitor& v) {
    DebertaFields::fields(v);
    v("talking_head", talking_head, v.anything.written_if_set());
  }
  void check() const { DebertaFields::check(model_type); }
  MixingEncoderOptions text_model() const;

  static constexpr name_rule v1_rules[] = {
      {"layers.*.self_attn.pos_key_proj", "encoder.layer.*.attention.self.pos_proj"},
      {"layers.*.self_attn.pos_query_proj", "encoder.layer.*.attention.self.pos_q_proj"}};
  static constexpr auto rules = joined_rules(v1_rules, own_rules, layer_rules, mixer_rules, BertConfig::head_rules);
  static constexpr name_tables names{.base_model_prefix = "deberta", .rules = rules, .ignored = ignored};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using DebertaModel = PreTrainedModel<DebertaConfig, MixingEncoder<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using DebertaForMaskedLM = PreTrainedModel<DebertaConfig, ForMaskedLM<MixingEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using DebertaForSequenceClassification =
    PreTrainedModel<DebertaConfig, ForSequenceClassification<MixingEncoder<build<W, D, L, S>>, first_token_by_tanh>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using DebertaForTokenClassification =
    PreTrainedModel<DebertaConfig, ForTokenClassification<MixingEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using DebertaForQuestionAnswering =
    PreTrainedModel<DebertaConfig, ForQuestionAnswering<MixingEncoder<build<W, D, L, S>>>>;

struct deberta : architecture<DebertaConfig, DebertaModel, DebertaForMaskedLM, DebertaForSequenceClassification,
                              DebertaForTokenClassification, DebertaForQuestionAnswering> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void DebertaFields::fields(field_visitor& v) {
  v("vocab_size", vocab_size, v.extent);
  v("hidden_size", hidden_size, v.extent);
  v("num_hidden_layers", num_hidden_layers, v.layers);
  v("num_attention_heads", num_attention_heads, v.extent);
  v("intermediate_size", intermediate_size, v.extent);
  v("hidden_act", hidden_act);
  v("hidden_dropout_prob", hidden_dropout_prob, v.rate);
  v("attention_probs_dropout_prob", attention_probs_dropout_prob, v.rate);
  v("max_position_embeddings", max_position_embeddings, v.extent);
  v("type_vocab_size", type_vocab_size, v.not_negative);
  v("initializer_range", initializer_range);
  v("layer_norm_eps", layer_norm_eps, v.not_negative);
  v("relative_attention", relative_attention);
  v("max_relative_positions", max_relative_positions);
  v("pad_token_id", pad_token_id);
  v("bos_token_id", bos_token_id);
  v("eos_token_id", eos_token_id);
  v("position_biased_input", position_biased_input);
  v("pos_att_type", pos_att_type, v.anything.written_as_null());
  v("pooler_dropout", pooler_dropout, v.rate);
  v("pooler_hidden_act", pooler_hidden_act);
  v("legacy", legacy);
  v("tie_word_embeddings", tie_word_embeddings);
  v("pooler_hidden_size", pooler_hidden_size, v.extent.written_if_set());
  v("embedding_size", embedding_size, v.extent.written_if_set());
  v("cls_dropout", cls_dropout, v.rate.written_if_set());
  v("id2label", id2label);
  v("problem_type", problem_type);
}

HFT_INLINE void DebertaFields::check(const char* model_type) const {
  EncoderConfig::check(model_type);
  find_activation(pooler_hidden_act, model_type);
  for (const std::string& type : pos_att_type)
    if (type != "c2p" && type != "p2c")
      throw config_error(model_type, "pos_att_type", "c2p or p2c", detail::quote_text(type));
  if (pooler_hidden_size && *pooler_hidden_size != hidden_size)
    throw unsupported_error(model_type, "pooler_hidden_size", "hidden_size", detail::joined(*pooler_hidden_size));
  if (max_relative_positions > field_visitor::largest_extent)
    throw config_error(model_type, "max_relative_positions",
                       detail::joined("at most ", isize(field_visitor::largest_extent)),
                       detail::joined(max_relative_positions));
}

HFT_INLINE bool DebertaFields::has(std::string_view type) const {
  return std::find(pos_att_type.begin(), pos_att_type.end(), type) != pos_att_type.end();
}

HFT_INLINE MixingEncoderOptions DebertaFields::text_model(const char* where, isize span, f64 kinds) const {
  auto o = mixing_encoder(*this, where);
  o.pooler.reset();
  RelativeEmbeddingsOptions e{std::get<TextEmbeddingsOptions>(o.embeddings)};
  e.hidden_size = embedded();
  if (embedded() != hidden_size) e.sum_projected_size = hidden_size;
  if (!position_biased_input) e.max_positions = 0;
  e.hidden_are_zeros = true;
  if (relative_attention) e.relative_positions = 2 * span;
  o.embeddings = e;
  DisentangledAttentionOptions mixer{.attention = encoder_attention(*this, 0)};
  mixer.attention.scale = 1 / std::sqrt(f64(mixer.attention.head_dim) * (1 + kinds));
  mixer.queries_see_places = relative_attention && has("c2p");
  mixer.places_see_keys = relative_attention && has("p2c");
  mixer.places.reach = span;
  for (auto& block : o.layers) std::get<MixingBlockOptions>(block).attention = mixer;
  return o;
}

HFT_INLINE MaskedLMHeadOptions DebertaFields::masked_lm_head() const {
  auto o = EncoderConfig::masked_lm_head();
  if (legacy) {
    o.norm.size = o.decoded_size = embedded();
  } else {  // which is always tied, and has no decoder
    o.name = "own_head";
    o.tied = o.one_bias = true;
  }
  return o;
}

HFT_INLINE ClassifierOptions DebertaFields::classifier() const {
  auto o = EncoderConfig::classifier();
  o.dropout = cls_dropout.value_or(hidden_dropout_prob);
  o.dense_dropout = pooler_dropout;
  o.activation = find_activation(pooler_hidden_act, "deberta");
  return o;
}

HFT_INLINE MixingEncoderOptions DebertaConfig::text_model() const {
  auto o = DebertaFields::text_model("DebertaModel", reach(), f64(pos_att_type.size()));
  for (auto& block : o.layers) {
    auto& layer = std::get<MixingBlockOptions>(block);
    auto& mixer = std::get<DisentangledAttentionOptions>(layer.attention);
    mixer.places.cut = mixer.fused = true;
    mixer.mixes_heads = talking_head.value_or(false);
  }
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
