// RoFormer: BERT with rotary positions, whose sines and cosines checkpoints have. Su et al. 2021, arXiv 2104.09864.
// transformers/models/roformer/modeling_roformer.py
#pragma once
#include <hft/models/bert.hpp>
#include <hft/models/phi.hpp>

namespace hft {

/// transformers.RoFormerConfig; fields have its names and defaults.
struct RoFormerConfig : EncoderConfig {
  std::optional<isize> embedding_size = {};  // default: hidden_size
  bool rotary_value = false;                 // whether values are turned, too

  static constexpr const char* model_type = "roformer";
  static constexpr const char* class_prefix = "RoFormer";

  RoFormerConfig() {
    vocab_size = 50000;
    max_position_embeddings = 1536;
  }
  void fields(field_visitor& v);
  void check() const;
  RopeScaling rope() const { return {{}, hidden_size / num_attention_heads, max_position_embeddings}; }
  TextModelOptions<> text_model() const;
  MaskedLMHeadOptions masked_lm_head() const;
  ClassifierOptions classifier() const;
  ClassifierOptions choice() const;
  bool initialise(std::string_view path, const std::vector<isize>& shape, const random_stream&,
                  std::vector<f32>& values) const;

  static constexpr name_rule own_rules[] = {{"project_in", "embeddings_project"},
                                            {"rotary_table", "encoder.embed_positions.weight"},
                                            {"layers.*.input_layernorm", "encoder.layer.*.attention.output.LayerNorm"},
                                            {"layers.*.post_attention_layernorm", "encoder.layer.*.output.LayerNorm"}};
  static constexpr auto rules = joined_rules(own_rules, layer_rules, BertConfig::head_rules);
  static constexpr name_tables names{.base_model_prefix = "roformer", .rules = rules};
};

/// The backbone: what others normalise first is normalised here behind each sum.
template <class B>
using RoFormerEncoder = TextModel<PhiBlock, LayerNorm, B>;

template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using RoFormerModel = PreTrainedModel<RoFormerConfig, RoFormerEncoder<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using RoFormerForMaskedLM = PreTrainedModel<RoFormerConfig, ForMaskedLM<RoFormerEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using RoFormerForCausalLM = PreTrainedModel<RoFormerConfig, EncoderForCausalLM<RoFormerEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using RoFormerForSequenceClassification =
    PreTrainedModel<RoFormerConfig, ForSequenceClassification<RoFormerEncoder<build<W, D, L, S>>, first_token_by_tanh>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using RoFormerForTokenClassification =
    PreTrainedModel<RoFormerConfig, ForTokenClassification<RoFormerEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using RoFormerForQuestionAnswering =
    PreTrainedModel<RoFormerConfig, ForQuestionAnswering<RoFormerEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using RoFormerForMultipleChoice =
    PreTrainedModel<RoFormerConfig, ForMultipleChoice<RoFormerEncoder<build<W, D, L, S>>, summarised>>;

struct roformer : architecture<RoFormerConfig, RoFormerModel, RoFormerForMaskedLM, RoFormerForCausalLM,
                               RoFormerForSequenceClassification, RoFormerForTokenClassification,
                               RoFormerForQuestionAnswering, RoFormerForMultipleChoice> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void RoFormerConfig::fields(field_visitor& v) {
  EncoderConfig::fields(v);
  v("embedding_size", embedding_size, v.extent);
  v("rotary_value", rotary_value);
}

HFT_INLINE void RoFormerConfig::check() const {
  EncoderConfig::check(model_type, true);
  if (hidden_size / num_attention_heads % 2)
    throw config_error(model_type, "hidden_size", "heads of an even size, whose pairs are turned",
                       detail::joined(hidden_size / num_attention_heads));
}

HFT_INLINE TextModelOptions<> RoFormerConfig::text_model() const {
  auto o = EncoderConfig::text_model("RoFormerModel");
  o.pooler.reset();
  o.embeddings.max_positions = 0;
  o.embeddings.stored_angles = StoredAnglesOptions{rope(), max_position_embeddings};
  o.embeddings.own_positions = true;
  project_embeddings(o, embedding_size.value_or(hidden_size));
  for (auto& layer : o.layers) {
    layer.norms = norms::of_the_sum;
    layer.attention.rope = rope();
    layer.attention.interleaved = true;
    layer.attention.rotary_values = rotary_value;
  }
  return o;
}

HFT_INLINE MaskedLMHeadOptions RoFormerConfig::masked_lm_head() const {
  auto o = EncoderConfig::masked_lm_head();
  o.decoded_size = o.norm.size = embedding_size.value_or(hidden_size);
  return o;
}

HFT_INLINE ClassifierOptions RoFormerConfig::classifier() const {
  auto o = EncoderConfig::classifier();
  o.activation = find_activation(hidden_act, model_type);
  return o;
}

HFT_INLINE ClassifierOptions RoFormerConfig::choice() const {
  auto o = EncoderConfig::classifier();
  o.dropout = 0;
  o.summary.of = SummaryOptions::last;
  return o;
}

HFT_INLINE bool RoFormerConfig::initialise(std::string_view path, const std::vector<isize>& shape, const random_stream&,
                                           std::vector<f32>& values) const {
  if (!path.ends_with("embed_positions.weight")) return false;
  fill_rotary_table(rope(), shape[0], values);
  return true;
}

#endif  // HFT_DEFINES

}  // namespace hft
