// ERNIE 4.5's mixtures of experts: ERNIE 4.5 whose router has a bias for the choice, and whose experts stand beside one
// that all tokens see. transformers/models/ernie4_5_moe/modeling_ernie4_5_moe.py
#pragma once
#include <hft/models/sparse_config.hpp>

namespace hft {

/// transformers.Ernie4_5_MoeConfig; fields have its names and defaults.
struct Ernie4_5_MoeConfig : DecoderConfig {
  f64 rms_norm_eps = 1e-5;
  bool use_bias = false;               // of all linear layers but the experts
  isize moe_intermediate_size = 1536;  // of each expert
  isize moe_k = 6, moe_num_experts = 64;
  isize moe_num_shared_experts = 2;  // the one that all tokens see is as wide as so many
  // Each moe_layer_interval-th layer has experts, from this to that one; -1: to the last.
  isize moe_layer_start_index = 1, moe_layer_end_index = -1, moe_layer_interval = 1;
  f64 moe_norm_min = 1e-12;  // a token's weights sum to 1, unless they were less than this
  bool output_router_logits = false;
  f64 router_aux_loss_coef = 0.001;

  static constexpr const char* model_type = "ernie4_5_moe";
  static constexpr const char* class_prefix = "Ernie4_5_Moe";

  Ernie4_5_MoeConfig();
  void fields(field_visitor& v);
  void check() const;

  bool sparse(isize layer) const;
  AttentionOptions attention(isize layer) const;
  TokenModelOptions<> text_model() const;
  LMHeadOptions lm_head() const;

  static constexpr name_rule rules[] = {
      {"layers.*.mlp.shared_expert", "layers.*.mlp.shared_experts"},
      {"layers.*.mlp.e_score_correction_bias", "layers.*.mlp.moe_statics.e_score_correction_bias"}};
  static constexpr stack_rule stacks[] = {{"layers.*.mlp.moe_statics.e_score_correction_bias",
                                           "layers.*.mlp.moe_statics.e_score_correction_bias"}};  // (1, E)
  static constexpr std::string_view ignored[] = {"*rotary_emb.inv_freq", "*mtp*"};
  static constexpr name_tables names{.rules = rules,
                                     .stacks = stacks,
                                     .gguf = gguf_decoder_names,
                                     .gguf_stacks = gguf_expert_stacks,
                                     .gguf_pairs = false,
                                     .gguf_architecture = "ernie4_5-moe",
                                     .ignored = ignored};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Ernie4_5_MoeModel = DecoderModel<Ernie4_5_MoeConfig, SparseBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Ernie4_5_MoeForCausalLM = CausalLM<Ernie4_5_MoeConfig, SparseBlock, RMSNorm, build<W, D, L, S>>;

struct ernie4_5_moe : architecture<Ernie4_5_MoeConfig, Ernie4_5_MoeModel, Ernie4_5_MoeForCausalLM> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE Ernie4_5_MoeConfig::Ernie4_5_MoeConfig() {
  vocab_size = 103424;
  hidden_size = 2560;
  intermediate_size = 12288;
  num_hidden_layers = 28;
  num_attention_heads = 20;
  num_key_value_heads = 4;
  max_position_embeddings = 131072;
  pad_token_id = 0;
  eos_token_id = 2;
  rope_parameters.rope_theta = 5e5;
  tie_word_embeddings = true;
}

HFT_INLINE void Ernie4_5_MoeConfig::fields(field_visitor& v) {
  DecoderConfig::fields(v);
  v("rms_norm_eps", rms_norm_eps, v.not_negative.gguf("attention.layer_norm_rms_epsilon"));
  v("use_bias", use_bias);
  v("moe_intermediate_size", moe_intermediate_size, v.extent.gguf("expert_feed_forward_length"));
  v("moe_k", moe_k, v.extent.also("num_experts_per_tok").gguf("expert_used_count"));
  v("moe_num_experts", moe_num_experts, v.extent.also("num_experts").gguf("expert_count"));
  v("moe_num_shared_experts", moe_num_shared_experts, v.layers.gguf("expert_shared_count"));
  v("moe_layer_start_index", moe_layer_start_index, v.anything.gguf("leading_dense_block_count"));
  v("moe_layer_end_index", moe_layer_end_index);
  v("moe_layer_interval", moe_layer_interval, v.extent.gguf("interleave_moe_layer_step"));
  v("moe_norm_min", moe_norm_min, v.not_negative);
  v("output_router_logits", output_router_logits);
  v("router_aux_loss_coef", router_aux_loss_coef);
}

HFT_INLINE void Ernie4_5_MoeConfig::check() const {
  check_decoder(*this, model_type);
  check_experts(moe_num_experts, moe_k, model_type);
}

HFT_INLINE bool Ernie4_5_MoeConfig::sparse(isize layer) const {
  const isize last = moe_layer_end_index == -1 ? num_hidden_layers - 1 : moe_layer_end_index;
  return (layer + 1) % moe_layer_interval == 0 && layer >= moe_layer_start_index && layer <= last;
}

HFT_INLINE AttentionOptions Ernie4_5_MoeConfig::attention(isize layer) const {
  AttentionOptions o = decoder_attention(*this, layer);
  o.bias = o.output_bias = use_bias;
  o.interleaved = true;
  return o;
}

HFT_INLINE TokenModelOptions<> Ernie4_5_MoeConfig::text_model() const {
  auto o = decoder_model(*this, class_prefix, {.size = hidden_size, .eps = rms_norm_eps});
  for (auto& layer : o.layers) {
    layer.mlp.bias = use_bias;
    if (!sparse(layer.attention.layer)) continue;
    auto& e = layer.mlp.experts;
    e.count = moe_num_experts, e.per_token = moe_k, e.intermediate_size = moe_intermediate_size;
    e.bias = false;
    e.correction = true;
    e.least_sum = moe_norm_min;
    e.shared_size = moe_intermediate_size * moe_num_shared_experts;
  }
  return o;
}

HFT_INLINE LMHeadOptions Ernie4_5_MoeConfig::lm_head() const {
  auto o = DecoderConfig::lm_head();
  o.bias = use_bias;
  if (output_router_logits) o.router_aux_loss = router_aux_loss_coef;
  o.experts_per_token = moe_k;
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
