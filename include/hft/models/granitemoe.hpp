// Granite 3's mixtures of experts: Granite whose MLPs are experts, which files store in stacks.
// transformers/models/granitemoe/modeling_granitemoe.py
#pragma once
#include <hft/models/sparse_config.hpp>

namespace hft {

/// transformers.GraniteMoeConfig; fields have its names and defaults.
struct GraniteMoeConfig : DecoderConfig {
  f64 rms_norm_eps = 1e-6;
  bool attention_bias = false;
  f64 embedding_multiplier = 1, residual_multiplier = 1;
  f64 attention_multiplier = 1;  // of the scores, in the place of 1 / sqrt(head_dim)
  f64 logits_scaling = 1;        // logits are divided by it
  isize num_local_experts = 8, num_experts_per_tok = 2;
  bool output_router_logits = false;
  f64 router_aux_loss_coef = 0.001;

  static constexpr const char* model_type = "granitemoe";
  static constexpr const char* class_prefix = "GraniteMoe";

  void fields(field_visitor& v);
  void check() const;

  AttentionOptions attention(isize layer) const;
  TokenModelOptions<> text_model() const;
  LMHeadOptions lm_head() const;

  static constexpr name_rule rules[] = {{"layers.*.mlp.gate", "layers.*.block_sparse_moe.router.layer"},
                                        {"layers.*.mlp", "layers.*.block_sparse_moe"}};
  static constexpr stack_rule stacks[] = {
      {"layers.*.block_sparse_moe.experts.*.gate_proj.weight",
       "layers.*.block_sparse_moe.input_linear.weight",
       {.part = 0, .parts = 2}},
      {"layers.*.block_sparse_moe.experts.*.up_proj.weight",
       "layers.*.block_sparse_moe.input_linear.weight",
       {.part = 1, .parts = 2}},
      {"layers.*.block_sparse_moe.experts.*.down_proj.weight", "layers.*.block_sparse_moe.output_linear.weight"}};
  static constexpr name_tables names{
      .rules = rules, .stacks = stacks, .gguf = gguf_decoder_names, .gguf_stacks = gguf_expert_stacks};
  void complete_from(const gguf_file& file) {
    DecoderConfig::complete_from(file);
    attention_bias = file.find_tensor("blk.0.attn_q.bias") != nullptr;
  }
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GraniteMoeModel = DecoderModel<GraniteMoeConfig, SparseBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GraniteMoeForCausalLM = CausalLM<GraniteMoeConfig, SparseBlock, RMSNorm, build<W, D, L, S>>;

struct granitemoe : architecture<GraniteMoeConfig, GraniteMoeModel, GraniteMoeForCausalLM> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void GraniteMoeConfig::fields(field_visitor& v) {
  DecoderConfig::fields(v);
  v("rms_norm_eps", rms_norm_eps, v.not_negative.gguf("attention.layer_norm_rms_epsilon"));
  v("attention_bias", attention_bias);
  v("embedding_multiplier", embedding_multiplier, v.anything.gguf("embedding_scale"));
  v("residual_multiplier", residual_multiplier, v.anything.gguf("residual_scale"));
  v("attention_multiplier", attention_multiplier, v.anything.gguf("attention.scale"));
  v("logits_scaling", logits_scaling, v.anything.gguf("logit_scale"));
  v("num_local_experts", num_local_experts, v.extent.gguf("expert_count"));
  v("num_experts_per_tok", num_experts_per_tok, v.extent.gguf("expert_used_count"));
  v("output_router_logits", output_router_logits);
  v("router_aux_loss_coef", router_aux_loss_coef);
}

HFT_INLINE void GraniteMoeConfig::check() const {
  check_decoder(*this, model_type);
  check_experts(num_local_experts, num_experts_per_tok, model_type);
}

HFT_INLINE AttentionOptions GraniteMoeConfig::attention(isize layer) const {
  AttentionOptions o = decoder_attention(*this, layer);
  o.bias = o.output_bias = attention_bias;
  o.scale = attention_multiplier;
  return o;
}

HFT_INLINE TokenModelOptions<> GraniteMoeConfig::text_model() const {
  auto o = decoder_model(*this, class_prefix, {.size = hidden_size, .eps = rms_norm_eps});
  o.embeddings.scale = embedding_multiplier;
  for (auto& layer : o.layers) {
    layer.residual_scale = residual_multiplier;
    layer.mlp.experts = {
        .count = num_local_experts, .per_token = num_experts_per_tok, .intermediate_size = intermediate_size};
  }
  return o;
}

HFT_INLINE LMHeadOptions GraniteMoeConfig::lm_head() const {
  auto o = DecoderConfig::lm_head();
  o.logit_scale = 1 / logits_scaling;
  if (output_router_logits) o.router_aux_loss = router_aux_loss_coef;
  o.experts_per_token = num_experts_per_tok;
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
