// SqueezeBERT: BERT whose linear layers see groups of channels. Iandola et al. 2020, arXiv 2006.11316.
// transformers/models/squeezebert/modeling_squeezebert.py
#pragma once
#include <hft/models/mixing_encoder.hpp>

namespace hft {

/// transformers.SqueezeBertConfig; fields have its names and defaults.
struct SqueezeBertConfig : EncoderConfig {
  isize embedding_size = 768;
  isize q_groups = 4, k_groups = 4, v_groups = 4, post_attention_groups = 1, intermediate_groups = 4, output_groups = 4;

  static constexpr const char* model_type = "squeezebert";
  static constexpr const char* class_prefix = "SqueezeBert";

  void fields(field_visitor& v);
  void check() const;
  MixingEncoderOptions text_model() const;
  /// All its classes have the pooler.
  void adapt(std::string_view, MixingEncoderOptions& o) const { o.pooler = PoolerOptions{hidden_size}; }

  static constexpr name_rule rules[] = {
      {"embed_tokens", "embeddings.word_embeddings"},
      {"embed_positions", "embeddings.position_embeddings"},
      {"embed_token_types", "embeddings.token_type_embeddings"},
      {"embed_norm", "embeddings.LayerNorm"},
      {"layers.*.self_attn.q_proj", "encoder.layers.*.attention.query"},
      {"layers.*.self_attn.k_proj", "encoder.layers.*.attention.key"},
      {"layers.*.self_attn.v_proj", "encoder.layers.*.attention.value"},
      {"layers.*.self_attn.o_proj", "encoder.layers.*.post_attention.conv1d"},
      {"layers.*.post_attention_layernorm", "encoder.layers.*.post_attention.layernorm"},
      {"layers.*.mlp.up_proj", "encoder.layers.*.intermediate.conv1d"},
      {"layers.*.mlp.down_proj", "encoder.layers.*.output.conv1d"},
      {"layers.*.post_mlp_layernorm", "encoder.layers.*.output.layernorm"},
      {"head.dense", "cls.predictions.transform.dense"},
      {"head.norm", "cls.predictions.transform.LayerNorm"},
      {"head.bias", "cls.predictions.bias"},
      {"decoder", "cls.predictions.decoder"}};
  static constexpr std::string_view ignored[] = {"*embeddings.position_ids"};
  static constexpr name_tables names{.base_model_prefix = "transformer", .rules = rules, .ignored = ignored};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using SqueezeBertModel = PreTrainedModel<SqueezeBertConfig, MixingEncoder<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using SqueezeBertForMaskedLM = PreTrainedModel<SqueezeBertConfig, ForMaskedLM<MixingEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using SqueezeBertForSequenceClassification =
    PreTrainedModel<SqueezeBertConfig, ForSequenceClassification<MixingEncoder<build<W, D, L, S>>, pooled>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using SqueezeBertForTokenClassification =
    PreTrainedModel<SqueezeBertConfig, ForTokenClassification<MixingEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using SqueezeBertForQuestionAnswering =
    PreTrainedModel<SqueezeBertConfig, ForQuestionAnswering<MixingEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using SqueezeBertForMultipleChoice =
    PreTrainedModel<SqueezeBertConfig, ForMultipleChoice<MixingEncoder<build<W, D, L, S>>, pooled>>;

struct squeezebert
    : architecture<SqueezeBertConfig, SqueezeBertModel, SqueezeBertForMaskedLM, SqueezeBertForSequenceClassification,
                   SqueezeBertForTokenClassification, SqueezeBertForQuestionAnswering, SqueezeBertForMultipleChoice> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void SqueezeBertConfig::fields(field_visitor& v) {
  EncoderConfig::fields(v);
  v("embedding_size", embedding_size, v.extent);
  v("q_groups", q_groups, v.extent);
  v("k_groups", k_groups, v.extent);
  v("v_groups", v_groups, v.extent);
  v("post_attention_groups", post_attention_groups, v.extent);
  v("intermediate_groups", intermediate_groups, v.extent);
  v("output_groups", output_groups, v.extent);
}

HFT_INLINE void SqueezeBertConfig::check() const {
  EncoderConfig::check(model_type);
  if (embedding_size != hidden_size)
    throw config_error(model_type, "embedding_size", detail::joined("hidden_size, ", hidden_size),
                       detail::joined(embedding_size));
  check_groups(model_type, "q_groups", q_groups, hidden_size, hidden_size);
  check_groups(model_type, "k_groups", k_groups, hidden_size, hidden_size);
  check_groups(model_type, "v_groups", v_groups, hidden_size, hidden_size);
  check_groups(model_type, "post_attention_groups", post_attention_groups, hidden_size, hidden_size);
  check_groups(model_type, "intermediate_groups", intermediate_groups, hidden_size, intermediate_size);
  check_groups(model_type, "output_groups", output_groups, intermediate_size, hidden_size);
}

HFT_INLINE MixingEncoderOptions SqueezeBertConfig::text_model() const {
  auto o = mixing_encoder(*this, "SqueezeBertModel");
  const auto of = [](isize groups) { return Grouping{grouping::convolution, groups}; };
  for (auto& block : o.layers) {
    auto& layer = std::get<MixingBlockOptions>(block);
    layer.norm.eps = 1e-12;  // whatever layer_norm_eps says of the embeddings
    layer.attention = GroupedAttentionOptions{encoder_attention(*this, 0), of(q_groups), of(k_groups), of(v_groups),
                                              of(post_attention_groups)};
    layer.mlp.up = of(intermediate_groups), layer.mlp.down = of(output_groups);
  }
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
