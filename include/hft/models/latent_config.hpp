// LatentConfig: what the configs of DeepSeek-V2 and those after it share: latent attention, and experts beside one that
// all tokens see, from a layer on.
#pragma once
#include <cmath>

#include <hft/io/gguf_writer.hpp>
#include <hft/layers/latent_attention.hpp>
#include <hft/models/sparse_config.hpp>

namespace hft {

/// Fields have the names and defaults of DeepSeek-V2's.
struct LatentConfig : DecoderConfig {
  f64 rms_norm_eps = 1e-6;
  bool attention_bias = false;
  isize pretraining_tp = 1;
  std::optional<isize> q_lora_rank = 1536;  // channels that queries come of; none: those of the layer
  isize kv_lora_rank = 512;
  // Of a head's queries and keys the elements without positions, and those with them; of its values.
  isize qk_nope_head_dim = 128, qk_rope_head_dim = 64, v_head_dim = 128;
  isize first_k_dense_replace = 0;  // layers without experts
  isize moe_intermediate_size = 1407, n_routed_experts = 64, n_shared_experts = 2;
  std::optional<isize> num_experts_per_tok = {};
  f64 routed_scaling_factor = 1;
  std::optional<isize> n_group = {}, topk_group = {};  // groups of experts, and how many of them have a token's
  bool norm_topk_prob = false;
  bool output_router_logits = false;

  std::array<isize, 4> extents() const {
    return {hidden_size, intermediate_size, num_attention_heads * v_head_dim, qk_nope_head_dim + qk_rope_head_dim};
  }
  RopeScaling rope() const { return {rope_parameters, qk_rope_head_dim, max_position_embeddings}; }
  void fields(field_visitor& v);
  AttentionOptions latent_attention(isize layer) const;
  ExpertsOptions experts() const;
  void complete_from(const gguf_file& file);
  void complete_in(gguf_keys& keys) const;
  std::vector<row_parts> gguf_parts(std::string_view) const {
    return {{num_attention_heads, {qk_nope_head_dim, v_head_dim}}};
  }

  static constexpr auto gguf_names =
      gguf_decoder_names_and({{"model.layers.*.self_attn.q_a_proj", "blk.*.attn_q_a"},
                              {"model.layers.*.self_attn.q_a_layernorm", "blk.*.attn_q_a_norm"},
                              {"model.layers.*.self_attn.q_b_proj", "blk.*.attn_q_b"},
                              {"model.layers.*.self_attn.kv_a_proj_with_mqa", "blk.*.attn_kv_a_mqa"},
                              {"model.layers.*.self_attn.kv_a_layernorm", "blk.*.attn_kv_a_norm"},
                              {"model.layers.*.self_attn.kv_b_proj", "blk.*.attn_k_b+attn_v_b", stored_as::row_parts},
                              {"model.layers.*.self_attn.kv_b_proj", "blk.*.attn_kv_b"}});
  // Keys have channels in the place of rows, for whoever multiplies queries by them first.
  static constexpr join_rule gguf_joins[] = {
      {"blk.*.attn_k_b+attn_v_b.weight", "blk.*.attn_k_b.weight", "blk.*.attn_v_b.weight", true}};
  static bool gguf_is_v3(const gguf_file& file) { return gguf_layers_have(file, "exp_probs_b.bias"); }

  static constexpr name_rule rules[] = {
      {"layers.*.mlp.shared_expert", "layers.*.mlp.shared_experts"},
      {"layers.*.mlp.e_score_correction_bias", "layers.*.mlp.gate.e_score_correction_bias"},
      {"classifier", "score"}};
};

/// Throws config_error for values that do not fit each other.
void check_latent(const LatentConfig& c, const AttentionOptions& attention, const ExpertsOptions& experts,
                  const char* model_type);

template <class B>
using LatentBlock = TransformerBlock<RMSNorm<B>, LatentAttention<B>, SparseMLP<B>>;

#if HFT_DEFINES(MODELS)

HFT_INLINE void LatentConfig::fields(field_visitor& v) {
  DecoderConfig::fields(v);
  v("rms_norm_eps", rms_norm_eps, v.not_negative.gguf("attention.layer_norm_rms_epsilon"));
  v("attention_bias", attention_bias);
  v("pretraining_tp", pretraining_tp);
  v("q_lora_rank", q_lora_rank, v.extent.gguf("attention.q_lora_rank"));
  v("kv_lora_rank", kv_lora_rank, v.extent.gguf("attention.kv_lora_rank"));
  v("qk_nope_head_dim", qk_nope_head_dim, v.extent);
  v("qk_rope_head_dim", qk_rope_head_dim, v.extent.gguf("rope.dimension_count"));
  v("v_head_dim", v_head_dim, v.extent);
  v("first_k_dense_replace", first_k_dense_replace, v.layers.gguf("leading_dense_block_count"));
  v("moe_intermediate_size", moe_intermediate_size, v.extent.gguf("expert_feed_forward_length"));
  v("n_shared_experts", n_shared_experts, v.layers.gguf("expert_shared_count"));
  v("num_experts_per_tok", num_experts_per_tok, v.extent.gguf("expert_used_count"));
  v("routed_scaling_factor", routed_scaling_factor, v.anything.gguf("expert_weights_scale"));
  v("n_group", n_group, v.extent.gguf("expert_group_count"));
  v("topk_group", topk_group, v.extent.gguf("expert_group_used_count"));
  v("norm_topk_prob", norm_topk_prob, v.anything.gguf("expert_weights_norm"));
  v("output_router_logits", output_router_logits);
}

HFT_INLINE void LatentConfig::complete_from(const gguf_file& file) {
  DecoderConfig::complete_from(file);
  num_key_value_heads = num_attention_heads, head_dim = {};  // the file's are of attention among the low ranks
  // Files of the first converters have those of heads under the names that are of the low ranks today.
  const isize keys = gguf_number(file, "attention.key_length_mla", gguf_number(file, "attention.key_length"));
  qk_nope_head_dim = keys - qk_rope_head_dim;
  v_head_dim = gguf_number(file, "attention.value_length_mla", gguf_number(file, "attention.value_length"));
  if (!gguf_says(file, "attention.q_lora_rank")) q_lora_rank = {};
  auto& rope = rope_parameters;
  rope.partial_rotary_factor = {};
  if (const auto* sharper = gguf_says(file, "rope.scaling.yarn_log_multiplier"))
    rope.mscale = rope.mscale_all_dim = sharper->as_f64() / 0.1;
}

HFT_INLINE void LatentConfig::complete_in(gguf_keys& keys) const {
  keys.number("attention.head_count_kv", 1);
  keys.number("attention.key_length", kv_lora_rank + qk_rope_head_dim);
  keys.number("attention.value_length", kv_lora_rank);
  keys.number("attention.key_length_mla", qk_nope_head_dim + qk_rope_head_dim);
  keys.number("attention.value_length_mla", v_head_dim);
  if (rope_parameters.rope_type.view() == "yarn" && rope_parameters.mscale_all_dim)
    keys.real("rope.scaling.yarn_log_multiplier", 0.1 * *rope_parameters.mscale_all_dim);
}

HFT_INLINE AttentionOptions LatentConfig::latent_attention(isize layer) const {
  AttentionOptions o = decoder_attention(*this, layer);
  o.head_dim = qk_nope_head_dim + qk_rope_head_dim;
  o.bias = o.output_bias = attention_bias;
  o.rope = rope();
  o.latent = LatentOptions{.query_rank = q_lora_rank.value_or(0),
                           .key_value_rank = kv_lora_rank,
                           .rope_size = qk_rope_head_dim,
                           .value_size = v_head_dim};
  f64 sharper = 1;  // scores of a longer sequence, beside what yarn does to cosines and sines
  const auto& p = rope_parameters;
  if (p.rope_type.view() != "default" && p.factor.value_or(1) > 1 && p.mscale_all_dim)
    sharper = 0.1 * *p.mscale_all_dim * std::log(*p.factor) + 1;
  o.scale = sharper * sharper / std::sqrt(f64(o.head_dim));
  return o;
}

HFT_INLINE ExpertsOptions LatentConfig::experts() const {
  ExpertsOptions e{.count = n_routed_experts,
                   .per_token = num_experts_per_tok.value_or(0),
                   .intermediate_size = moe_intermediate_size};
  e.bias = false;
  e.scale = routed_scaling_factor;
  e.shared_size = moe_intermediate_size * n_shared_experts;
  return e;
}

HFT_INLINE void check_latent(const LatentConfig& c, const AttentionOptions& attention, const ExpertsOptions& experts,
                             const char* model_type) {
  if (c.key_value_heads() != c.num_attention_heads)
    throw config_error(model_type, "num_key_value_heads",
                       detail::joined("num_attention_heads = ", c.num_attention_heads),
                       detail::joined(c.key_value_heads()));
  check_heads(attention, model_type);
  find_activation(c.hidden_act, model_type);
  if (c.first_k_dense_replace >= c.num_hidden_layers) return;
  check_experts(experts.count, experts.per_token, model_type);
  check_groups(experts, model_type, "n_group", "topk_group");
}

#endif  // HFT_DEFINES

}  // namespace hft
