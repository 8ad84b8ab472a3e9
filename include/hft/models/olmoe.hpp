// OLMoE: a decoder with norms of queries and keys over all heads, whose MLPs are mixtures of experts.
// Muennighoff et al. 2024, arXiv 2409.02060. transformers/models/olmoe/modeling_olmoe.py
#pragma once
#include <hft/models/sparse_config.hpp>

namespace hft {

/// transformers.OlmoeConfig; fields have its names and defaults.
struct OlmoeConfig : SparseConfig {
  bool attention_bias = false;
  std::optional<f64> clip_qkv = {};  // queries, keys and values are cut off at +- this

  static constexpr const char* model_type = "olmoe";
  static constexpr const char* class_prefix = "Olmoe";
  static constexpr name_tables names{
      .rules = rules, .gguf = gguf_decoder_names, .gguf_stacks = gguf_expert_stacks, .gguf_pairs = false};

  OlmoeConfig();
  void fields(field_visitor& v);
  void check() const;

  AttentionOptions attention(isize layer) const;
  TokenModelOptions<> text_model() const;
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using OlmoeModel = DecoderModel<OlmoeConfig, SparseBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using OlmoeForCausalLM = CausalLM<OlmoeConfig, SparseBlock, RMSNorm, build<W, D, L, S>>;

struct olmoe : architecture<OlmoeConfig, OlmoeModel, OlmoeForCausalLM> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE OlmoeConfig::OlmoeConfig() {
  vocab_size = 50304;
  hidden_size = 2048;
  intermediate_size = 2048;
  num_hidden_layers = 16;
  num_attention_heads = 16;
  max_position_embeddings = 4096;
  rms_norm_eps = 1e-5;
  pad_token_id = 1;
  bos_token_id = {};
  eos_token_id = 50279;
  num_experts = 64;
  num_experts_per_tok = 8;
  router_aux_loss_coef = 0.01;
}

HFT_INLINE void OlmoeConfig::fields(field_visitor& v) {
  SparseConfig::fields(v);
  v("attention_bias", attention_bias);
  v("clip_qkv", clip_qkv, v.not_negative);
}

HFT_INLINE void OlmoeConfig::check() const {
  check_decoder(*this, model_type);
  check_experts(num_experts, num_experts_per_tok, model_type);
}

HFT_INLINE AttentionOptions OlmoeConfig::attention(isize layer) const {
  AttentionOptions o = decoder_attention(*this, layer);
  o.bias = o.output_bias = attention_bias;
  o.qk_norm = QKNormOptions{.eps = rms_norm_eps, .per_head = false};
  o.clip_qkv = clip_qkv;
  return o;
}

HFT_INLINE TokenModelOptions<> OlmoeConfig::text_model() const {
  auto o = decoder_model(*this, class_prefix, {.size = hidden_size, .eps = rms_norm_eps});
  for (auto& layer : o.layers) layer.mlp.experts = experts(intermediate_size);
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
