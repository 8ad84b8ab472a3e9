// DeepSeek-V2: latent attention, and experts chosen by softmax, where wanted from the best groups.
// DeepSeek-AI 2024, arXiv 2405.04434. transformers/models/deepseek_v2/modeling_deepseek_v2.py
#pragma once
#include <hft/models/latent_config.hpp>

namespace hft {

/// transformers.DeepseekV2Config; fields have its names and defaults. norm_topk_prob is not heeded.
struct DeepseekV2Config : LatentConfig {
  bool mlp_bias = false;                // of all MLPs but the experts
  short_string topk_method = "greedy";  // or "group_limited_greedy"

  static constexpr const char* model_type = "deepseek_v2";
  static constexpr const char* class_prefix = "DeepseekV2";
  static constexpr name_tables names{.rules = rules,
                                     .gguf = gguf_names,
                                     .gguf_stacks = gguf_expert_stacks,
                                     .gguf_joins = gguf_joins,
                                     .gguf_pairs = false,
                                     .gguf_architecture = "deepseek2",
                                     .gguf_told = [](const gguf_file& file) { return !gguf_is_v3(file); }};

  void fields(field_visitor& v);
  /// Throws config_error for values that do not fit each other, unsupported_error for another topk_method.
  void check() const;

  void complete_from(const gguf_file& file) {
    LatentConfig::complete_from(file);
    topk_method = n_group.value_or(1) > 1 ? "group_limited_greedy" : "greedy";
  }
  AttentionOptions attention(isize layer) const;
  ExpertsOptions experts() const;
  TokenModelOptions<> text_model() const;
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using DeepseekV2Model = DecoderModel<DeepseekV2Config, LatentBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using DeepseekV2ForCausalLM = CausalLM<DeepseekV2Config, LatentBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using DeepseekV2ForSequenceClassification =
    DecoderForSequenceClassification<DeepseekV2Config, LatentBlock, RMSNorm, build<W, D, L, S>>;

struct deepseek_v2
    : architecture<DeepseekV2Config, DeepseekV2Model, DeepseekV2ForCausalLM, DeepseekV2ForSequenceClassification> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void DeepseekV2Config::fields(field_visitor& v) {
  LatentConfig::fields(v);
  v("n_routed_experts", n_routed_experts, v.extent.also("num_experts").gguf("expert_count"));
  v("mlp_bias", mlp_bias);
  v("topk_method", topk_method);
}

HFT_INLINE void DeepseekV2Config::check() const {
  if (topk_method.view() != "greedy" && topk_method.view() != "group_limited_greedy")
    throw unsupported_error(model_type, "topk_method", "greedy or group_limited_greedy",
                            std::string(topk_method.view()));
  if (topk_method.view() != "greedy" && (!n_group || !topk_group))
    throw config_error(model_type, n_group ? "topk_group" : "n_group", "a number with group_limited_greedy", "none");
  check_latent(*this, attention(0), experts(), model_type);
}

HFT_INLINE AttentionOptions DeepseekV2Config::attention(isize layer) const {
  AttentionOptions o = latent_attention(layer);
  o.interleaved = true;
  return o;
}

HFT_INLINE ExpertsOptions DeepseekV2Config::experts() const {
  ExpertsOptions e = LatentConfig::experts();
  e.normalised = false;
  if (topk_method.view() != "greedy") e.groups = n_group.value_or(1), e.group_count = topk_group.value_or(1);
  return e;
}

HFT_INLINE TokenModelOptions<> DeepseekV2Config::text_model() const {
  auto o = decoder_model(*this, class_prefix, {.size = hidden_size, .eps = rms_norm_eps});
  for (auto& layer : o.layers) {
    layer.mlp.bias = mlp_bias;
    if (layer.attention.layer >= first_k_dense_replace) layer.mlp.experts = experts();
  }
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
