// Mixtral: Mistral whose MLPs are mixtures of experts. Jiang et al. 2024, arXiv 2401.04088.
// transformers/models/mixtral/modeling_mixtral.py
#pragma once
#include <hft/models/sparse_config.hpp>

namespace hft {

/// transformers.MixtralConfig; fields have its names and defaults.
struct MixtralConfig : DecoderConfig {
  f64 rms_norm_eps = 1e-5;
  std::optional<isize> sliding_window = {};  // keys that a query sees, itself included; none: all
  isize num_local_experts = 8, num_experts_per_tok = 2;
  bool output_router_logits = false;
  f64 router_aux_loss_coef = 0.001;
  f64 router_jitter_noise = 0;

  static constexpr const char* model_type = "mixtral";
  static constexpr const char* class_prefix = "Mixtral";

  MixtralConfig();
  void fields(field_visitor& v);
  void check() const;

  AttentionOptions attention(isize layer) const;
  TokenModelOptions<> text_model() const;
  LMHeadOptions lm_head() const {
    auto o = DecoderConfig::lm_head();
    if (output_router_logits) o.router_aux_loss = router_aux_loss_coef;
    o.experts_per_token = num_experts_per_tok;
    return o;
  }

  static constexpr name_rule rules[] = {{"layers.*.mlp.gate", "layers.*.block_sparse_moe.gate"},
                                        {"layers.*.mlp.experts.*.gate_proj", "layers.*.block_sparse_moe.experts.*.w1"},
                                        {"layers.*.mlp.experts.*.up_proj", "layers.*.block_sparse_moe.experts.*.w3"},
                                        {"layers.*.mlp.experts.*.down_proj", "layers.*.block_sparse_moe.experts.*.w2"},
                                        {"classifier", "score"}};
  // Files of the first converters have each expert's matrices apart.
  static constexpr auto gguf_names =
      gguf_decoder_names_and({{"model.layers.*.mlp.experts.*.gate_proj", "blk.*.ffn_gate.*"},
                              {"model.layers.*.mlp.experts.*.up_proj", "blk.*.ffn_up.*"},
                              {"model.layers.*.mlp.experts.*.down_proj", "blk.*.ffn_down.*"}});
  static constexpr name_tables names{.rules = rules,
                                     .gguf = gguf_names,
                                     .gguf_stacks = gguf_expert_stacks,
                                     .gguf_architecture = "llama",
                                     .gguf_told = gguf_has_experts};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MixtralModel = DecoderModel<MixtralConfig, SparseBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MixtralForCausalLM = CausalLM<MixtralConfig, SparseBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MixtralForSequenceClassification =
    DecoderForSequenceClassification<MixtralConfig, SparseBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MixtralForTokenClassification =
    DecoderForTokenClassification<MixtralConfig, SparseBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MixtralForQuestionAnswering = DecoderForQuestionAnswering<MixtralConfig, SparseBlock, RMSNorm, build<W, D, L, S>>;

struct mixtral : architecture<MixtralConfig, MixtralModel, MixtralForCausalLM, MixtralForSequenceClassification,
                              MixtralForTokenClassification, MixtralForQuestionAnswering> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE MixtralConfig::MixtralConfig() {
  intermediate_size = 14336;
  num_key_value_heads = 8;
  max_position_embeddings = 4096 * 32;
  rope_parameters.rope_theta = 1e6;
}

HFT_INLINE void MixtralConfig::fields(field_visitor& v) {
  DecoderConfig::fields(v);
  v("rms_norm_eps", rms_norm_eps, v.not_negative.gguf("attention.layer_norm_rms_epsilon"));
  v("sliding_window", sliding_window, v.extent);
  v("num_local_experts", num_local_experts, v.extent.also("num_experts").gguf("expert_count"));
  v("num_experts_per_tok", num_experts_per_tok, v.extent.gguf("expert_used_count"));
  v("output_router_logits", output_router_logits);
  v("router_aux_loss_coef", router_aux_loss_coef);
  v("router_jitter_noise", router_jitter_noise);
}

HFT_INLINE void MixtralConfig::check() const {
  check_decoder(*this, model_type);
  check_experts(num_local_experts, num_experts_per_tok, model_type);
}

HFT_INLINE AttentionOptions MixtralConfig::attention(isize layer) const {
  AttentionOptions o = decoder_attention(*this, layer);
  if (sliding_window) o.visible = visibility::window(*sliding_window);
  return o;
}

HFT_INLINE TokenModelOptions<> MixtralConfig::text_model() const {
  auto o = decoder_model(*this, class_prefix, {.size = hidden_size, .eps = rms_norm_eps});
  for (auto& layer : o.layers)
    layer.mlp.experts = {
        .count = num_local_experts, .per_token = num_experts_per_tok, .intermediate_size = intermediate_size};
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
