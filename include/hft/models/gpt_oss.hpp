// GPT-OSS: a decoder whose heads have sinks, with a window on every second layer, and mixtures of experts with clamped
// gates, which files store in stacks. OpenAI 2025, arXiv 2508.10925. transformers/models/gpt_oss/modeling_gpt_oss.py
#pragma once
#include <string>
#include <vector>

#include <hft/io/gguf_writer.hpp>
#include <hft/models/sparse_config.hpp>

namespace hft {

/// transformers.GptOssConfig; fields have its names and defaults.
struct GptOssConfig : DecoderConfig {
  f64 rms_norm_eps = 1e-5;
  bool attention_bias = true;
  isize sliding_window = 128;                 // keys that a query sees on a layer with a window, itself included
  std::vector<std::string> layer_types = {};  // default: every second layer has the window, the first one, too
  isize num_local_experts = 128, num_experts_per_tok = 4;
  f64 swiglu_alpha = 1.702, swiglu_limit = 7;  // see ClampedGate; hidden_act is not heeded
  bool output_router_logits = false;
  f64 router_aux_loss_coef = 0.001;

  static constexpr const char* model_type = "gpt_oss";
  static constexpr const char* class_prefix = "GptOss";

  GptOssConfig();
  void fields(field_visitor& v);
  void check() const;

  void complete_from(const gguf_file& file) {
    DecoderConfig::complete_from(file);
    layer_types = gguf_layer_types(file);
  }
  void complete_in(gguf_keys& keys) const { keys.number("expert_feed_forward_length", intermediate_size); }
  AttentionOptions attention(isize layer) const;
  TokenModelOptions<> text_model() const;
  LMHeadOptions lm_head() const;
  /// Sinks and the router's bias are drawn as weights are.
  bool initialise(std::string_view path, const std::vector<isize>&, const random_stream& random,
                  std::vector<f32>& values) const;

  static constexpr name_rule rules[] = {{"layers.*.mlp.gate", "layers.*.mlp.router"}, {"classifier", "score"}};
  static constexpr stack_rule::layout gates{.part = 0, .parts = 2, .alternating = true, .transposed = true},
      ups{.part = 1, .parts = 2, .alternating = true, .transposed = true};
  static constexpr stack_rule stacks[] = {
      {"layers.*.mlp.experts.*.gate_proj.weight", "layers.*.mlp.experts.gate_up_proj", gates},
      {"layers.*.mlp.experts.*.gate_proj.bias", "layers.*.mlp.experts.gate_up_proj_bias", gates},
      {"layers.*.mlp.experts.*.up_proj.weight", "layers.*.mlp.experts.gate_up_proj", ups},
      {"layers.*.mlp.experts.*.up_proj.bias", "layers.*.mlp.experts.gate_up_proj_bias", ups},
      {"layers.*.mlp.experts.*.down_proj.weight", "layers.*.mlp.experts.down_proj", {.transposed = true}},
      {"layers.*.mlp.experts.*.down_proj.bias", "layers.*.mlp.experts.down_proj_bias"}};
  static constexpr name_tables names{.rules = rules,
                                     .stacks = stacks,
                                     .gguf = gguf_second_norm_names,
                                     .gguf_stacks = gguf_expert_stacks,
                                     .gguf_pairs = false,
                                     .gguf_architecture = "gpt-oss"};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GptOssModel = DecoderModel<GptOssConfig, SparseBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GptOssForCausalLM = CausalLM<GptOssConfig, SparseBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GptOssForSequenceClassification =
    DecoderForSequenceClassification<GptOssConfig, SparseBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GptOssForTokenClassification =
    DecoderForTokenClassification<GptOssConfig, SparseBlock, RMSNorm, build<W, D, L, S>>;

struct gpt_oss : architecture<GptOssConfig, GptOssModel, GptOssForCausalLM, GptOssForSequenceClassification,
                              GptOssForTokenClassification> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE GptOssConfig::GptOssConfig() {
  vocab_size = 201088;
  hidden_size = 2880;
  intermediate_size = 2880;
  num_hidden_layers = 36;
  num_attention_heads = 64;
  num_key_value_heads = 8;
  head_dim = 64;
  max_position_embeddings = 131072;
  bos_token_id = {};
  rope_parameters = {.rope_type = "yarn",
                     .rope_theta = 150000,
                     .factor = 32,
                     .original_max_position_embeddings = 4096,
                     .beta_fast = 32,
                     .beta_slow = 1,
                     .truncate = false};
}

HFT_INLINE void GptOssConfig::fields(field_visitor& v) {
  DecoderConfig::fields(v);
  v("rms_norm_eps", rms_norm_eps, v.not_negative.gguf("attention.layer_norm_rms_epsilon"));
  v("attention_bias", attention_bias);
  v("sliding_window", sliding_window, v.extent.gguf("attention.sliding_window"));
  v("layer_types", layer_types);
  v("num_local_experts", num_local_experts, v.extent.also("num_experts").gguf("expert_count"));
  v("num_experts_per_tok", num_experts_per_tok, v.extent.gguf("expert_used_count"));
  v("swiglu_alpha", swiglu_alpha);
  v("swiglu_limit", swiglu_limit, v.not_negative);
  v("output_router_logits", output_router_logits);
  v("router_aux_loss_coef", router_aux_loss_coef);
}

HFT_INLINE void GptOssConfig::check() const {
  check_layer_types(layer_types, num_hidden_layers, model_type);
  check_decoder(*this, model_type);
  check_experts(num_local_experts, num_experts_per_tok, model_type);
  if (swiglu_alpha == 0) throw config_error(model_type, "swiglu_alpha", "a number other than 0", "0");
}

HFT_INLINE AttentionOptions GptOssConfig::attention(isize layer) const {
  AttentionOptions o = decoder_attention(*this, layer);
  o.bias = o.output_bias = attention_bias;
  o.sinks = true;
  if (layer_slides(layer_types, layer, 2)) o.visible = visibility::window(sliding_window);
  return o;
}

HFT_INLINE TokenModelOptions<> GptOssConfig::text_model() const {
  auto o = decoder_model(*this, class_prefix, {.size = hidden_size, .eps = rms_norm_eps});
  for (auto& layer : o.layers) {
    layer.mlp.bias = true;
    layer.mlp.clamped = ClampedGate{.alpha = swiglu_alpha, .limit = swiglu_limit};
    auto& e = layer.mlp.experts;
    e.count = num_local_experts, e.per_token = num_experts_per_tok, e.intermediate_size = intermediate_size;
    e.router_bias = true;
  }
  return o;
}

HFT_INLINE LMHeadOptions GptOssConfig::lm_head() const {
  auto o = DecoderConfig::lm_head();
  if (output_router_logits) o.router_aux_loss = router_aux_loss_coef;
  o.experts_per_token = num_experts_per_tok;
  return o;
}

HFT_INLINE bool GptOssConfig::initialise(std::string_view path, const std::vector<isize>&, const random_stream& random,
                                         std::vector<f32>& values) const {
  if (!path.ends_with(".self_attn.sinks") && !path.ends_with(".mlp.router.bias")) return false;
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = f32(initializer_range * random.normal(i));
  return true;
}

#endif  // HFT_DEFINES

}  // namespace hft
