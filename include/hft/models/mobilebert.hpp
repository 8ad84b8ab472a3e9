// MobileBERT: BERT whose layers work on fewer channels than they pass on. Sun et al. 2020, arXiv 2004.02984.
// transformers/models/mobilebert/modeling_mobilebert.py
#pragma once
#include <hft/models/bert.hpp>
#include <hft/models/mixing_encoder.hpp>

namespace hft {

/// transformers.MobileBertConfig; fields have its names and defaults.
struct MobileBertConfig : EncoderConfig {
  isize embedding_size = 128;
  bool trigram_input = true, use_bottleneck = true;
  isize intra_bottleneck_size = 128;
  bool use_bottleneck_attention = false, key_query_shared_bottleneck = true;
  isize num_feedforward_networks = 4;
  short_string normalization_type = "no_norm";
  bool classifier_activation = true;
  std::optional<isize> true_hidden_size = {};  // what the two fields before say

  static constexpr const char* model_type = "mobilebert";
  static constexpr const char* class_prefix = "MobileBert";

  MobileBertConfig() {
    hidden_size = intermediate_size = 512;
    num_hidden_layers = 24, num_attention_heads = 4;
    hidden_act = "relu";
    hidden_dropout_prob = 0;
  }
  void fields(field_visitor& v);
  void check() const;
  isize width() const { return use_bottleneck ? intra_bottleneck_size : hidden_size; }  // of the layers
  MixingEncoderOptions text_model() const;
  MaskedLMHeadOptions masked_lm_head() const;

  static constexpr name_rule own_rules[] = {{"project_in", "embeddings.embedding_transformation"},
                                            {"layers.*.ffn.*.mlp.up_proj", "encoder.layer.*.ffn.*.intermediate.dense"},
                                            {"layers.*.ffn.*.mlp.down_proj", "encoder.layer.*.ffn.*.output.dense"},
                                            {"layers.*.ffn.*.norm", "encoder.layer.*.ffn.*.output.LayerNorm"},
                                            {"rest", "cls.predictions.dense", stored_as::transposed}};
  static constexpr name_rule layers_rule[] = {{"layers.*", "encoder.layer.*"}};
  static constexpr auto rules = joined_rules(own_rules, layer_rules, layers_rule, BertConfig::head_rules);
  static constexpr std::string_view ignored[] = {"*embeddings.position_ids"};
  static constexpr name_tables names{
      .base_model_prefix = "mobilebert", .rules = rules, .ignored = ignored, .may_be_left = BertConfig::may_be_left};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MobileBertModel = PreTrainedModel<MobileBertConfig, MixingEncoder<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MobileBertForMaskedLM = PreTrainedModel<MobileBertConfig, ForMaskedLM<MixingEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MobileBertForSequenceClassification =
    PreTrainedModel<MobileBertConfig, ForSequenceClassification<MixingEncoder<build<W, D, L, S>>, pooled>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MobileBertForTokenClassification =
    PreTrainedModel<MobileBertConfig, ForTokenClassification<MixingEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MobileBertForQuestionAnswering =
    PreTrainedModel<MobileBertConfig, ForQuestionAnswering<MixingEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MobileBertForMultipleChoice =
    PreTrainedModel<MobileBertConfig, ForMultipleChoice<MixingEncoder<build<W, D, L, S>>, pooled>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MobileBertForPreTraining = PreTrainedModel<MobileBertConfig, ForPreTraining<MixingEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MobileBertForNextSentencePrediction =
    PreTrainedModel<MobileBertConfig, ForNextSentencePrediction<MixingEncoder<build<W, D, L, S>>>>;

struct mobilebert
    : architecture<MobileBertConfig, MobileBertModel, MobileBertForMaskedLM, MobileBertForSequenceClassification,
                   MobileBertForTokenClassification, MobileBertForQuestionAnswering, MobileBertForMultipleChoice,
                   MobileBertForPreTraining, MobileBertForNextSentencePrediction> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void MobileBertConfig::fields(field_visitor& v) {
  EncoderConfig::fields(v);
  v("embedding_size", embedding_size, v.extent);
  v("trigram_input", trigram_input);
  v("use_bottleneck", use_bottleneck);
  v("intra_bottleneck_size", intra_bottleneck_size, v.extent);
  v("use_bottleneck_attention", use_bottleneck_attention);
  v("key_query_shared_bottleneck", key_query_shared_bottleneck);
  v("num_feedforward_networks", num_feedforward_networks, v.layers);
  v("normalization_type", normalization_type);
  v("classifier_activation", classifier_activation);
  v("true_hidden_size", true_hidden_size, v.extent.written_if_set());
}

HFT_INLINE void MobileBertConfig::check() const {
  EncoderConfig::check(model_type);
  check_divides(model_type, "num_attention_heads", num_attention_heads, "intra_bottleneck_size", width());
  if (normalization_type.view() != "no_norm" && normalization_type.view() != "layer_norm")
    throw config_error(model_type, "normalization_type", "no_norm or layer_norm",
                       detail::quote_text(normalization_type));
  if (num_feedforward_networks < 1)
    throw config_error(model_type, "num_feedforward_networks", "at least 1", detail::joined(num_feedforward_networks));
  if (embedding_size > hidden_size)
    throw config_error(model_type, "embedding_size", detail::joined("at most hidden_size, ", hidden_size),
                       detail::joined(embedding_size));
  if (use_bottleneck && !use_bottleneck_attention && !key_query_shared_bottleneck && width() != hidden_size)
    throw config_error(model_type, "intra_bottleneck_size", "hidden_size, where attention sees what the layer does",
                       detail::joined(intra_bottleneck_size));
}

HFT_INLINE MixingEncoderOptions MobileBertConfig::text_model() const {
  auto o = mixing_encoder(*this, "MobileBertModel");
  const bool statistics = normalization_type.view() == "layer_norm";
  const auto norm = [&](isize size, f64 eps) {
    return NormOptions{.size = size, .eps = eps, .statistics = statistics};
  };
  TrigramEmbeddingsOptions e{std::get<TextEmbeddingsOptions>(o.embeddings)};
  e.hidden_size = embedding_size;
  e.projected_size = hidden_size;
  e.trigrams = trigram_input;
  e.projects = trigram_input || embedding_size != hidden_size;
  e.norm = norm(hidden_size, 1e-5);  // whatever layer_norm_eps says, as after the last MLP
  o.embeddings = e;
  o.pooler = PoolerOptions{.hidden_size = hidden_size, .projects = classifier_activation};
  AttentionOptions attention = encoder_attention(*this, 0);
  attention.hidden_size = width();
  attention.head_dim = width() / num_attention_heads;
  const MLPOptions mlp{.hidden_size = width(),
                       .intermediate_size = intermediate_size,
                       .activation = find_activation(hidden_act, model_type),
                       .bias = true};
  for (auto& block : o.layers)
    block = BottleneckBlockOptions{.hidden_size = hidden_size,
                                   .norm = norm(width(), layer_norm_eps),
                                   .last_norm = norm(width(), 1e-5),
                                   .wide_norm = norm(hidden_size, layer_norm_eps),
                                   .attention = attention,
                                   .mlp = mlp,
                                   .mlps = num_feedforward_networks,
                                   .narrows = use_bottleneck,
                                   .inputs = use_bottleneck_attention      ? narrowed::everything
                                             : key_query_shared_bottleneck ? narrowed::queries_and_keys
                                                                           : narrowed::nothing,
                                   .attention_layer = key_query_shared_bottleneck,
                                   .dropout = hidden_dropout_prob};
  return o;
}

HFT_INLINE MaskedLMHeadOptions MobileBertConfig::masked_lm_head() const {
  auto o = EncoderConfig::masked_lm_head();
  o.decoded_size = embedding_size;
  o.rest_size = hidden_size - embedding_size;
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
