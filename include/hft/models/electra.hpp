// ELECTRA: BERT with narrower embeddings, pre-trained to find tokens that were replaced. Clark et al. 2020, arXiv
// 2003.10555. transformers/models/electra/modeling_electra.py
#pragma once
#include <hft/models/encoder.hpp>

namespace hft {

/// transformers.ElectraConfig; fields have its names and defaults.
struct ElectraConfig : EncoderConfig {
  isize embedding_size = 128;
  // Of a choice between texts.
  short_string summary_type = "first", summary_activation = "gelu";
  bool summary_use_proj = true;
  f64 summary_last_dropout = 0.1;

  static constexpr const char* model_type = "electra";
  static constexpr const char* class_prefix = "Electra";

  ElectraConfig() {
    hidden_size = 256;
    num_attention_heads = 4;
    intermediate_size = 1024;
  }
  void fields(field_visitor& v);
  void check() const;
  TextModelOptions<> text_model() const;
  MaskedLMHeadOptions masked_lm_head() const;
  ClassifierOptions classifier() const;
  ClassifierOptions choice() const;

  static constexpr name_rule head_rules[] = {{"project_in", "embeddings_project"},
                                             {"head.dense", "generator_predictions.dense"},
                                             {"head.norm", "generator_predictions.LayerNorm"},
                                             {"head.bias", "generator_lm_head.bias"},
                                             {"decoder", "generator_lm_head"},
                                             {"summary.dense", "sequence_summary.summary"},
                                             {"dense", "discriminator_predictions.dense"},
                                             {"dense_prediction", "discriminator_predictions.dense_prediction"}};
  static constexpr auto rules = joined_rules(layer_rules, head_rules);
  static constexpr std::string_view ignored[] = {"*embeddings.position_ids"};
  static constexpr name_tables names{.base_model_prefix = "electra", .rules = rules, .ignored = ignored};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ElectraModel = PreTrainedModel<ElectraConfig, PostNormEncoder<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ElectraForPreTraining = PreTrainedModel<ElectraConfig, ForReplacedTokens<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ElectraForMaskedLM = PreTrainedModel<ElectraConfig, ForMaskedLM<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ElectraForCausalLM = PreTrainedModel<ElectraConfig, EncoderForCausalLM<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ElectraForSequenceClassification =
    PreTrainedModel<ElectraConfig, ForSequenceClassification<PostNormEncoder<build<W, D, L, S>>, first_token_by_tanh>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ElectraForTokenClassification =
    PreTrainedModel<ElectraConfig, ForTokenClassification<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ElectraForQuestionAnswering =
    PreTrainedModel<ElectraConfig, ForQuestionAnswering<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ElectraForMultipleChoice =
    PreTrainedModel<ElectraConfig, ForMultipleChoice<PostNormEncoder<build<W, D, L, S>>, summarised>>;

struct electra : architecture<ElectraConfig, ElectraModel, ElectraForPreTraining, ElectraForMaskedLM,
                              ElectraForCausalLM, ElectraForSequenceClassification, ElectraForTokenClassification,
                              ElectraForQuestionAnswering, ElectraForMultipleChoice> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void ElectraConfig::fields(field_visitor& v) {
  EncoderConfig::fields(v);
  v("embedding_size", embedding_size, v.extent);
  v("summary_type", summary_type);
  v("summary_use_proj", summary_use_proj);
  v("summary_activation", summary_activation);
  v("summary_last_dropout", summary_last_dropout, v.rate);
}

HFT_INLINE void ElectraConfig::check() const {
  EncoderConfig::check(model_type, true);
  choice();
}

HFT_INLINE TextModelOptions<> ElectraConfig::text_model() const {
  auto o = EncoderConfig::text_model("ElectraModel");
  o.pooler.reset();
  project_embeddings(o, embedding_size);
  return o;
}

HFT_INLINE MaskedLMHeadOptions ElectraConfig::masked_lm_head() const {
  auto o = EncoderConfig::masked_lm_head();
  o.activation = Activation::gelu;  // whatever that of the layers is
  o.decoded_size = o.norm.size = embedding_size;
  o.one_bias = true;
  return o;
}

HFT_INLINE ClassifierOptions ElectraConfig::classifier() const {
  auto o = EncoderConfig::classifier();
  o.activation = Activation::gelu;
  return o;
}

HFT_INLINE ClassifierOptions ElectraConfig::choice() const {
  auto o = EncoderConfig::classifier();
  o.dropout = summary_last_dropout;
  o.summary.of = find_summary(summary_type.view(), model_type);
  std::optional<Activation> activation;
  if (!summary_activation.view().empty()) activation = find_activation(summary_activation, model_type);
  if (!summary_use_proj && activation)
    throw unsupported_error(model_type, "summary_activation", "none without summary_use_proj",
                            std::string(summary_activation.view()));
  if (summary_use_proj) o.transform = TransformOptions{.hidden_size = hidden_size, .activation = activation};
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
