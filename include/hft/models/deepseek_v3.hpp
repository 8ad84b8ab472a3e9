// DeepSeek-V3 and R1: latent attention, and experts chosen from the best groups by sigmoids and a bias that is not
// trained. DeepSeek-AI 2024, arXiv 2412.19437. transformers/models/deepseek_v3/modeling_deepseek_v3.py
#pragma once
#include <hft/models/latent_config.hpp>

namespace hft {

/// transformers.DeepseekV3Config; fields have its names and defaults.
struct DeepseekV3Config : LatentConfig {
  bool rope_interleave = true;  // whether neighbours are turned together, not halves

  static constexpr const char* model_type = "deepseek_v3";
  static constexpr const char* class_prefix = "DeepseekV3";
  static constexpr std::string_view ignored[] = {"model.layers.61.*",
                                                 "*rotary_emb.inv_freq"};  // of several tokens ahead
  static constexpr name_tables names{.rules = rules,
                                     .gguf = gguf_names,
                                     .gguf_stacks = gguf_expert_stacks,
                                     .gguf_joins = gguf_joins,
                                     .gguf_pairs = false,
                                     .gguf_architecture = "deepseek2",
                                     .gguf_told = gguf_is_v3,
                                     .ignored = ignored};

  DeepseekV3Config();
  void fields(field_visitor& v);
  void check() const { check_latent(*this, attention(0), experts(), model_type); }

  void complete_from(const gguf_file& file) {
    if (!gguf_says(file, "expert_weights_norm")) norm_topk_prob = false;
    LatentConfig::complete_from(file);
  }
  AttentionOptions attention(isize layer) const;
  ExpertsOptions experts() const;
  TokenModelOptions<> text_model() const;
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using DeepseekV3Model = DecoderModel<DeepseekV3Config, LatentBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using DeepseekV3ForCausalLM = CausalLM<DeepseekV3Config, LatentBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using DeepseekV3ForSequenceClassification =
    DecoderForSequenceClassification<DeepseekV3Config, LatentBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using DeepseekV3ForTokenClassification =
    DecoderForTokenClassification<DeepseekV3Config, LatentBlock, RMSNorm, build<W, D, L, S>>;

struct deepseek_v3 : architecture<DeepseekV3Config, DeepseekV3Model, DeepseekV3ForCausalLM,
                                  DeepseekV3ForSequenceClassification, DeepseekV3ForTokenClassification> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE DeepseekV3Config::DeepseekV3Config() {
  vocab_size = 129280;
  hidden_size = 7168;
  intermediate_size = 18432;
  num_hidden_layers = 61;
  num_attention_heads = 128;
  num_key_value_heads = 128;
  max_position_embeddings = 4096;
  bos_token_id = 0;
  moe_intermediate_size = 2048;
  n_routed_experts = 256;
  n_shared_experts = 1;
  num_experts_per_tok = 8;
  first_k_dense_replace = 3;
  routed_scaling_factor = 2.5;
  n_group = 8;
  topk_group = 4;
  norm_topk_prob = true;
}

HFT_INLINE void DeepseekV3Config::fields(field_visitor& v) {
  LatentConfig::fields(v);
  v("n_routed_experts", n_routed_experts, v.extent.also("num_local_experts").gguf("expert_count"));
  v("rope_interleave", rope_interleave);
}

HFT_INLINE AttentionOptions DeepseekV3Config::attention(isize layer) const {
  AttentionOptions o = latent_attention(layer);
  o.interleaved = rope_interleave;
  return o;
}

HFT_INLINE ExpertsOptions DeepseekV3Config::experts() const {
  ExpertsOptions e = LatentConfig::experts();
  e.sigmoid = e.correction = true;
  e.groups = n_group.value_or(1), e.group_count = topk_group.value_or(1), e.group_best = 2;
  e.normalised = norm_topk_prob, e.least_sum = 1e-20;
  return e;
}

HFT_INLINE TokenModelOptions<> DeepseekV3Config::text_model() const {
  auto o = decoder_model(*this, class_prefix, {.size = hidden_size, .eps = rms_norm_eps});
  for (auto& layer : o.layers)
    if (layer.attention.layer >= first_k_dense_replace) layer.mlp.experts = experts();
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
