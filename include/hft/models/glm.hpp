// GLM-4 (9B, of 2024): Llama that turns neighbours of a part of each head, with biases and one projection for gates and
// up. GLM Team 2024, arXiv 2406.12793. transformers/models/glm/modeling_glm.py
#pragma once
#include <hft/models/llama.hpp>

namespace hft {

/// transformers.GlmConfig; fields have its names and defaults.
struct GlmConfig : DecoderConfig {
  f64 rms_norm_eps = 1.5625e-07;
  bool attention_bias = true;  // of queries, keys and values

  static constexpr const char* model_type = "glm";
  static constexpr const char* class_prefix = "Glm";
  static constexpr name_tables names{.rules = rules,
                                     .gguf = gguf_gate_up_names,
                                     .gguf_pairs = false,
                                     .gguf_architecture = "chatglm",
                                     .ignored = LlamaConfig::ignored};

  GlmConfig();
  void fields(field_visitor& v);
  void check() const;

  RopeScaling rope() const { return DecoderConfig::rope(0.5); }
  AttentionOptions attention(isize layer) const;
  TokenModelOptions<> text_model() const;
};

template <class B>
using GlmBlock = PreNormBlock<RMSNorm<B>, SelfAttention<B, rope>, FusedGatedMLP<B>>;

template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GlmModel = DecoderModel<GlmConfig, GlmBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GlmForCausalLM = CausalLM<GlmConfig, GlmBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GlmForSequenceClassification = DecoderForSequenceClassification<GlmConfig, GlmBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GlmForTokenClassification = DecoderForTokenClassification<GlmConfig, GlmBlock, RMSNorm, build<W, D, L, S>>;

struct glm
    : architecture<GlmConfig, GlmModel, GlmForCausalLM, GlmForSequenceClassification, GlmForTokenClassification> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE GlmConfig::GlmConfig() {
  vocab_size = 151552;
  intermediate_size = 13696;
  num_hidden_layers = 40;
  num_key_value_heads = 2;
  head_dim = 128;
  max_position_embeddings = 131072;
  pad_token_id = 151329;
  eos_token_id = {151329, 151336, 151338};
  bos_token_id = {};
}

HFT_INLINE void GlmConfig::fields(field_visitor& v) {
  DecoderConfig::fields(v);
  v("rms_norm_eps", rms_norm_eps, v.not_negative.gguf("attention.layer_norm_rms_epsilon"));
  v("attention_bias", attention_bias);
}

HFT_INLINE void GlmConfig::check() const { check_decoder(*this, model_type); }

HFT_INLINE AttentionOptions GlmConfig::attention(isize layer) const {
  AttentionOptions o = decoder_attention(*this, layer);
  o.bias = attention_bias;
  o.interleaved = true;
  return o;
}

HFT_INLINE TokenModelOptions<> GlmConfig::text_model() const {
  return decoder_model(*this, class_prefix, {.size = hidden_size, .eps = rms_norm_eps});
}

#endif  // HFT_DEFINES

}  // namespace hft
