// MiniMax: Mixtral with linear attention on most layers, whose residual stream goes on from what is normed.
// MiniMax 2025, arXiv 2501.08313. transformers/models/minimax/modeling_minimax.py
#pragma once
#include <string>
#include <vector>

#include <hft/io/gguf_writer.hpp>
#include <hft/layers/hybrid_attention.hpp>
#include <hft/models/mixtral.hpp>

namespace hft {

/// transformers.MiniMaxConfig; fields have its names and defaults.
struct MiniMaxConfig : MixtralConfig {
  std::vector<std::string> layer_types = {};  // "linear_attention" or "full_attention"; default: by turns, full first
  isize block_size = 256;                     // tokens of linear attention that Transformers computes at once
  // Of the residual stream and of what is added to it, by the kind of attention, and of the MLP.
  f64 full_attn_alpha_factor = 1, full_attn_beta_factor = 1;
  f64 linear_attn_alpha_factor = 1, linear_attn_beta_factor = 1;
  f64 mlp_alpha_factor = 1, mlp_beta_factor = 1;

  static constexpr const char* model_type = "minimax";
  static constexpr const char* class_prefix = "MiniMax";
  // Linear attention's numbers, which follow from the config.
  static constexpr std::string_view ignored[] = {"*.self_attn.slope_rate", "*.self_attn.query_decay",
                                                 "*.self_attn.key_decay", "*.self_attn.diagonal_decay"};
  static constexpr auto gguf_names =
      gguf_decoder_names_and({{"model.layers.*.self_attn.norm", "blk.*.attn_norm_2"},
                              {"model.layers.*.self_attn.output_gate", "blk.*.attn_gate"},
                              {"model.layers.*.self_attn.out_proj", "blk.*.attn_output"}});
  static constexpr name_tables names{.rules = rules,
                                     .gguf = gguf_names,
                                     .gguf_stacks = gguf_expert_stacks,
                                     .gguf_pairs = false,
                                     .gguf_architecture = "minimax-01",
                                     .ignored = ignored};

  void fields(field_visitor& v);
  void check() const;

  void complete_from(const gguf_file& file);
  void complete_in(gguf_keys& keys) const { keys.real("residual_scale", mlp_alpha_factor); }
  bool linear(isize layer) const;
  AttentionOptions attention(isize layer) const;
  TokenModelOptions<> text_model() const;
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MiniMaxModel = DecoderModel<MiniMaxConfig, HybridBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MiniMaxForCausalLM = CausalLM<MiniMaxConfig, HybridBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MiniMaxForSequenceClassification =
    DecoderForSequenceClassification<MiniMaxConfig, HybridBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MiniMaxForTokenClassification =
    DecoderForTokenClassification<MiniMaxConfig, HybridBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MiniMaxForQuestionAnswering = DecoderForQuestionAnswering<MiniMaxConfig, HybridBlock, RMSNorm, build<W, D, L, S>>;

struct minimax : architecture<MiniMaxConfig, MiniMaxModel, MiniMaxForCausalLM, MiniMaxForSequenceClassification,
                              MiniMaxForTokenClassification, MiniMaxForQuestionAnswering> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void MiniMaxConfig::fields(field_visitor& v) {
  MixtralConfig::fields(v);
  v("head_dim", head_dim, v.extent);  // unset, it is written as null
  v("layer_types", layer_types);
  v("block_size", block_size, v.extent);
  v("full_attn_alpha_factor", full_attn_alpha_factor);
  v("full_attn_beta_factor", full_attn_beta_factor);
  v("linear_attn_alpha_factor", linear_attn_alpha_factor);
  v("linear_attn_beta_factor", linear_attn_beta_factor);
  v("mlp_alpha_factor", mlp_alpha_factor);
  v("mlp_beta_factor", mlp_beta_factor);
}

HFT_INLINE void MiniMaxConfig::check() const {
  check_layer_types(layer_types, num_hidden_layers, model_type, linear_attention);
  check_decoder(*this, model_type);
  check_experts(num_local_experts, num_experts_per_tok, model_type);
}

HFT_INLINE void MiniMaxConfig::complete_from(const gguf_file& file) {
  MixtralConfig::complete_from(file);
  layer_types.clear();
  for (const bool is_linear : gguf_layers_with(file, "attn_gate.weight"))
    layer_types.emplace_back(is_linear ? linear_attention : full_attention);
  if (const auto* scale = gguf_says(file, "residual_scale"))
    full_attn_alpha_factor = linear_attn_alpha_factor = mlp_alpha_factor = scale->as_f64();
}

HFT_INLINE bool MiniMaxConfig::linear(isize layer) const {
  return layer_types.empty() ? layer % 2 == 1 : layer_types[std::size_t(layer)] != full_attention;
}

HFT_INLINE AttentionOptions MiniMaxConfig::attention(isize layer) const {
  AttentionOptions o = MixtralConfig::attention(layer);
  if (!linear(layer)) return o;
  o.visible = {};
  o.decay = DecayOptions{.activation = find_activation(hidden_act, model_type),
                         .factor = 1 - f64(layer) / (f64(num_hidden_layers - 1) + 1e-5) + 1e-5};
  return o;
}

HFT_INLINE TokenModelOptions<> MiniMaxConfig::text_model() const {
  auto o = decoder_model(*this, class_prefix, {.size = hidden_size, .eps = rms_norm_eps});
  for (auto& layer : o.layers) {
    const bool is_linear = linear(layer.attention.layer);
    layer.from_normed = true;
    layer.stream_scale = is_linear ? linear_attn_alpha_factor : full_attn_alpha_factor;
    layer.residual_scale = is_linear ? linear_attn_beta_factor : full_attn_beta_factor;
    layer.mlp_stream_scale = mlp_alpha_factor;
    layer.mlp_residual_scale = mlp_beta_factor;
    layer.mlp.experts = {
        .count = num_local_experts, .per_token = num_experts_per_tok, .intermediate_size = intermediate_size};
  }
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
