// GTE: BERT with rotary positions and a gated MLP, for long texts. Zhang et al. 2024, arXiv 2407.19669.
// transformers/models/gte/modeling_gte.py
#pragma once
#include <hft/models/rotary_encoder.hpp>

namespace hft {

/// transformers.GteConfig; fields have its names and defaults.
struct GteConfig : RotaryEncoderConfig {
  static constexpr const char* model_type = "gte";
  static constexpr const char* class_prefix = "Gte";

  GteConfig() {
    vocab_size = 250048;
    attention_probs_dropout_prob = 0;
    max_position_embeddings = 8192;
    type_vocab_size = 1;
    pad_token_id = 1;
    rope_parameters.rope_theta = 160000;
  }
  void check() const { RotaryEncoderConfig::check(model_type); }
  TextModelOptions<> text_model() const;
  MaskedLMHeadOptions masked_lm_head() const {
    auto o = EncoderConfig::masked_lm_head();
    o.activation = Activation::gelu;  // whatever that of the layers is
    o.one_bias = true;
    return o;
  }

  static constexpr name_rule rules[] = {{"embed_tokens", "embeddings.word_embeddings"},
                                        {"embed_token_types", "embeddings.token_type_embeddings"},
                                        {"embed_norm", "embeddings.LayerNorm"},
                                        {"layers.*.self_attn", "encoder.layer.*.attention"},
                                        {"layers.*.input_layernorm", "encoder.layer.*.attn_ln"},
                                        {"layers.*.mlp.gate_up_proj", "encoder.layer.*.mlp.up_gate_proj"},
                                        {"layers.*.mlp.down_proj", "encoder.layer.*.mlp.down_proj"},
                                        {"layers.*.post_attention_layernorm", "encoder.layer.*.mlp_ln"},
                                        {"head.dense", "lm_head.dense"},
                                        {"head.norm", "lm_head.norm"},
                                        {"head.bias", "lm_head.decoder.bias"},
                                        {"decoder", "lm_head.decoder"}};
  static constexpr std::string_view ignored[] = {"*inv_freq"};
  static constexpr std::string_view may_be_left[] = {"*pooler.dense.*"};
  static constexpr name_tables names{
      .base_model_prefix = "gte", .rules = rules, .ignored = ignored, .may_be_left = may_be_left};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GteModel = PreTrainedModel<GteConfig, RotaryEncoder<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GteForMaskedLM = PreTrainedModel<GteConfig, ForMaskedLM<RotaryEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GteForSequenceClassification =
    PreTrainedModel<GteConfig, ForSequenceClassification<RotaryEncoder<build<W, D, L, S>>, pooled>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GteForTokenClassification = PreTrainedModel<GteConfig, ForTokenClassification<RotaryEncoder<build<W, D, L, S>>>>;

struct gte
    : architecture<GteConfig, GteModel, GteForMaskedLM, GteForSequenceClassification, GteForTokenClassification> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE TextModelOptions<> GteConfig::text_model() const {
  auto o = RotaryEncoderConfig::text_model("GteModel");
  for (auto& layer : o.layers) {
    layer.mlp.gated = layer.mlp.fused = layer.mlp.up_first = true;
    layer.mlp.bias = false;
    layer.mlp.down_bias = true;
    layer.mlp.dropout = hidden_dropout_prob;
  }
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
