// ConvBERT: BERT, half of whose heads are convolutions. Jiang et al. 2020, arXiv 2008.02496.
// transformers/models/convbert/modeling_convbert.py
#pragma once
#include <algorithm>

#include <hft/models/mixing_encoder.hpp>

namespace hft {

/// transformers.ConvBertConfig; fields have its names and defaults.
struct ConvBertConfig : EncoderConfig {
  isize embedding_size = 768;
  isize head_ratio = 2, conv_kernel_size = 9, num_groups = 1;

  static constexpr const char* model_type = "convbert";
  static constexpr const char* class_prefix = "ConvBert";

  ConvBertConfig() {
    pad_token_id = 1, bos_token_id = 0, eos_token_id = 2;
    add_cross_attention = false;
  }
  void fields(field_visitor& v);
  void check() const;
  isize heads() const { return std::max<isize>(1, num_attention_heads / head_ratio); }  // of either kind
  MixingEncoderOptions text_model() const;
  MaskedLMHeadOptions masked_lm_head() const;
  ClassifierOptions classifier() const {
    auto o = EncoderConfig::classifier();
    o.activation = find_activation(hidden_act, model_type);
    return o;
  }
  ClassifierOptions choice() const {
    auto o = EncoderConfig::classifier();
    o.dropout = 0;
    o.summary.of = SummaryOptions::last;
    return o;
  }
  /// A bias that is no vector begins as zeros, too.
  bool initialise(std::string_view path, const std::vector<isize>&, const random_stream&, std::vector<f32>&) const {
    return path.ends_with("key_conv_attn_layer.bias");
  }

  static constexpr name_rule own_rules[] = {{"project_in", "embeddings_project"},
                                            {"head.dense", "generator_predictions.dense"},
                                            {"head.norm", "generator_predictions.LayerNorm"},
                                            {"head.bias", "generator_lm_head.bias"},
                                            {"decoder", "generator_lm_head"}};
  static constexpr name_rule mixer_rules[] = {{"layers.*.self_attn", "encoder.layer.*.attention.self"}};
  static constexpr auto rules = joined_rules(own_rules, layer_rules, mixer_rules);
  static constexpr std::string_view ignored[] = {"*embeddings.position_ids"};
  static constexpr name_tables names{.base_model_prefix = "convbert", .rules = rules, .ignored = ignored};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ConvBertModel = PreTrainedModel<ConvBertConfig, MixingEncoder<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ConvBertForMaskedLM = PreTrainedModel<ConvBertConfig, ForMaskedLM<MixingEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ConvBertForSequenceClassification =
    PreTrainedModel<ConvBertConfig, ForSequenceClassification<MixingEncoder<build<W, D, L, S>>, first_token_by_tanh>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ConvBertForTokenClassification =
    PreTrainedModel<ConvBertConfig, ForTokenClassification<MixingEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ConvBertForQuestionAnswering =
    PreTrainedModel<ConvBertConfig, ForQuestionAnswering<MixingEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ConvBertForMultipleChoice =
    PreTrainedModel<ConvBertConfig, ForMultipleChoice<MixingEncoder<build<W, D, L, S>>, summarised>>;

struct convbert
    : architecture<ConvBertConfig, ConvBertModel, ConvBertForMaskedLM, ConvBertForSequenceClassification,
                   ConvBertForTokenClassification, ConvBertForQuestionAnswering, ConvBertForMultipleChoice> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void ConvBertConfig::fields(field_visitor& v) {
  EncoderConfig::fields(v);
  v("embedding_size", embedding_size, v.extent);
  v("head_ratio", head_ratio, v.extent);
  v("conv_kernel_size", conv_kernel_size, v.extent);
  v("num_groups", num_groups, v.extent);
}

HFT_INLINE void ConvBertConfig::check() const {
  EncoderConfig::check(model_type);
  if (hidden_size % (2 * heads()))
    throw config_error(model_type, "head_ratio",
                       detail::joined("twice as many heads to divide hidden_size, ", hidden_size),
                       detail::joined(heads(), " heads of either kind"));
  if (conv_kernel_size % 2 == 0)
    throw config_error(model_type, "conv_kernel_size", "an odd number", detail::joined(conv_kernel_size));
  check_groups(model_type, "num_groups", num_groups, hidden_size, intermediate_size);
}

HFT_INLINE MixingEncoderOptions ConvBertConfig::text_model() const {
  auto o = mixing_encoder(*this, "ConvBertModel");
  o.pooler.reset();
  auto& e = std::get<TextEmbeddingsOptions>(o.embeddings);
  e.hidden_size = e.norm->size = embedding_size;
  if (embedding_size != hidden_size) e.projected_size = hidden_size, e.projected_last = true;
  AttentionOptions attention = encoder_attention(*this, 0);
  attention.num_heads = attention.num_kv_heads = heads();
  attention.head_dim = hidden_size / heads() / 2;
  const Grouping groups{num_groups > 1 ? grouping::blocks : grouping::none, num_groups};
  for (auto& block : o.layers) {
    auto& layer = std::get<MixingBlockOptions>(block);
    layer.attention = SpanAttentionOptions{attention, conv_kernel_size};
    layer.mlp.up = layer.mlp.down = groups;
  }
  return o;
}

HFT_INLINE MaskedLMHeadOptions ConvBertConfig::masked_lm_head() const {
  auto o = EncoderConfig::masked_lm_head();
  o.activation = Activation::gelu;  // whatever that of the layers is
  o.norm.size = o.decoded_size = embedding_size;
  o.one_bias = true;
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
