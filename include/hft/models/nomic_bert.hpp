// Nomic BERT: BERT with rotary positions and a gated MLP, without biases. Nussbaum et al. 2024, arXiv 2402.01613.
// transformers/models/nomic_bert/modeling_nomic_bert.py
#pragma once
#include <hft/models/rotary_encoder.hpp>

namespace hft {

/// transformers.NomicBertConfig; fields have its names and defaults.
struct NomicBertConfig : RotaryEncoderConfig {
  static constexpr const char* model_type = "nomic_bert";
  static constexpr const char* class_prefix = "NomicBert";

  NomicBertConfig() {
    vocab_size = 30528;
    hidden_act = "silu";
    hidden_dropout_prob = attention_probs_dropout_prob = 0;
    max_position_embeddings = 2048;
    rope_parameters.rope_theta = 1000;
  }
  void check() const { RotaryEncoderConfig::check(model_type); }
  TextModelOptions<> text_model() const;

  static constexpr name_rule rules[] = {{"embed_tokens", "embeddings.word_embeddings"},
                                        {"embed_token_types", "embeddings.token_type_embeddings"},
                                        {"embed_norm", "emb_ln"},
                                        {"layers.*.self_attn.qkv_proj", "encoder.layers.*.attn.Wqkv"},
                                        {"layers.*.self_attn.o_proj", "encoder.layers.*.attn.out_proj"},
                                        {"layers.*.input_layernorm", "encoder.layers.*.norm1"},
                                        {"layers.*.mlp.up_proj", "encoder.layers.*.mlp.fc11"},
                                        {"layers.*.mlp.gate_proj", "encoder.layers.*.mlp.fc12"},
                                        {"layers.*.mlp.down_proj", "encoder.layers.*.mlp.fc2"},
                                        {"layers.*.post_attention_layernorm", "encoder.layers.*.norm2"},
                                        {"head.dense", "cls.predictions.transform.dense"},
                                        {"head.norm", "cls.predictions.transform.layer_norm"},
                                        {"head.bias", "cls.predictions.bias"},
                                        {"decoder", "cls.predictions.decoder"}};
  static constexpr std::string_view ignored[] = {"*inv_freq"};
  static constexpr std::string_view may_be_left[] = {"*pooler.dense.*"};
  static constexpr name_tables names{.base_model_prefix = "nomic_bert",
                                     .rules = rules,
                                     .gguf = gguf_names,
                                     .gguf_architecture = "nomic-bert",
                                     .gguf_class = "Model",
                                     .ignored = ignored,
                                     .may_be_left = may_be_left};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using NomicBertModel = PreTrainedModel<NomicBertConfig, RotaryEncoder<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using NomicBertForMaskedLM = PreTrainedModel<NomicBertConfig, ForMaskedLM<RotaryEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using NomicBertForSequenceClassification =
    PreTrainedModel<NomicBertConfig, ForSequenceClassification<RotaryEncoder<build<W, D, L, S>>, pooled>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using NomicBertForTokenClassification =
    PreTrainedModel<NomicBertConfig, ForTokenClassification<RotaryEncoder<build<W, D, L, S>>>>;

struct nomic_bert : architecture<NomicBertConfig, NomicBertModel, NomicBertForMaskedLM,
                                 NomicBertForSequenceClassification, NomicBertForTokenClassification> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE TextModelOptions<> NomicBertConfig::text_model() const {
  auto o = RotaryEncoderConfig::text_model("NomicBertModel");
  for (auto& layer : o.layers) {
    layer.attention.bias = layer.attention.output_bias = layer.mlp.bias = false;
    layer.mlp.gated = true;
  }
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
