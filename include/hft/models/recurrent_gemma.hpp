// RecurrentGemma: Griffin, whose layers are gated linear recurrences and, each third, attention within a window.
// Botev et al. 2024, arXiv 2404.07839; De et al. 2024, arXiv 2402.19427.
// transformers/models/recurrent_gemma/modeling_recurrent_gemma.py
#pragma once
#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <hft/layers/hybrid_attention.hpp>
#include <hft/models/decoder_config.hpp>

namespace hft {

/// transformers.RecurrentGemmaConfig; fields have its names and defaults. Its hidden_act is called hidden_activation.
struct RecurrentGemmaConfig : DecoderConfig {
  std::optional<isize> lru_width = {};  // channels of the recurrence; default: hidden_size
  isize attention_window_size = 2048;   // keys that a query sees, itself included
  isize conv1d_width = 4;
  f64 logits_soft_cap = 30, rms_norm_eps = 1e-6;
  std::vector<std::string> block_types = {"recurrent", "recurrent", "attention"};  // of layers, over and over
  bool attention_bias = false;
  f64 w_init_variance_scale = 0.01;

  static constexpr const char* model_type = "recurrent_gemma";
  static constexpr const char* class_prefix = "RecurrentGemma";

  RecurrentGemmaConfig();
  void fields(field_visitor& v);
  void check() const;

  isize recurrence_width() const { return lru_width.value_or(hidden_size); }
  bool recurs(isize layer) const { return block_types[std::size_t(layer) % block_types.size()] == "recurrent"; }
  AttentionOptions attention(isize layer) const;
  TokenModelOptions<> text_model() const;
  LMHeadOptions lm_head() const;
  f64 initial_deviation(std::string_view path) const;
  /// Norms begin with weights of 0, decays of an open gate between 0.9 and 0.999.
  bool initialise(std::string_view path, const std::vector<isize>&, const random_stream& random,
                  std::vector<f32>& values) const;

  static constexpr name_rule rules[] = {{"layers.*.input_layernorm", "layers.*.temporal_pre_norm"},
                                        {"layers.*.self_attn", "layers.*.temporal_block"},
                                        {"layers.*.post_attention_layernorm", "layers.*.channel_pre_norm"},
                                        {"layers.*.mlp", "layers.*.mlp_block"},
                                        {"norm", "final_norm"}};
  // The gates of all heads are one tensor, whose slices are (in, out).
  static constexpr stack_rule stacks[] = {
      {"layers.*.temporal_block.rg_lru.input_gates.*.weight",
       "layers.*.temporal_block.rg_lru.input_gate_weight",
       {.transposed = true}},
      {"layers.*.temporal_block.rg_lru.input_gates.*.bias", "layers.*.temporal_block.rg_lru.input_gate_bias"},
      {"layers.*.temporal_block.rg_lru.recurrent_gates.*.weight",
       "layers.*.temporal_block.rg_lru.recurrent_gate_weight",
       {.transposed = true}},
      {"layers.*.temporal_block.rg_lru.recurrent_gates.*.bias", "layers.*.temporal_block.rg_lru.recurrent_gate_bias"}};
  static constexpr name_tables names{.rules = rules, .stacks = stacks};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using RecurrentGemmaModel = DecoderModel<RecurrentGemmaConfig, HybridBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using RecurrentGemmaForCausalLM = CausalLM<RecurrentGemmaConfig, HybridBlock, RMSNorm, build<W, D, L, S>>;

struct recurrent_gemma : architecture<RecurrentGemmaConfig, RecurrentGemmaModel, RecurrentGemmaForCausalLM> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE RecurrentGemmaConfig::RecurrentGemmaConfig() {
  vocab_size = 256000;
  hidden_size = 2560;
  intermediate_size = 3 * 2560;
  num_hidden_layers = 26;
  num_attention_heads = 10;
  hidden_act = "gelu_pytorch_tanh";
  pad_token_id = 0;
  eos_token_id = 1;
  bos_token_id = 2;
  tie_word_embeddings = true;
}

HFT_INLINE void RecurrentGemmaConfig::fields(field_visitor& v) {
  v("vocab_size", vocab_size, v.extent);
  v("hidden_size", hidden_size, v.extent);
  v("intermediate_size", intermediate_size, v.extent);
  v("num_hidden_layers", num_hidden_layers, v.layers);
  v("num_attention_heads", num_attention_heads, v.extent);
  v("num_key_value_heads", num_key_value_heads, v.extent);
  v("head_dim", head_dim, v.extent.written_if_set());
  v("lru_width", lru_width, v.extent);
  v("attention_window_size", attention_window_size, v.extent);
  v("conv1d_width", conv1d_width, v.extent);
  v("logits_soft_cap", logits_soft_cap, v.not_negative);
  v("rms_norm_eps", rms_norm_eps, v.not_negative);
  v("use_cache", use_cache);
  v("pad_token_id", pad_token_id);
  v("eos_token_id", eos_token_id);
  v("bos_token_id", bos_token_id);
  v("hidden_activation", hidden_act);
  v("rope_parameters", rope_parameters);
  v("block_types", block_types);
  v("attention_dropout", attention_dropout, v.rate);
  v("attention_bias", attention_bias);
  v("w_init_variance_scale", w_init_variance_scale, v.not_negative);
  v("tie_word_embeddings", tie_word_embeddings);
}

HFT_INLINE void RecurrentGemmaConfig::check() const {
  if (block_types.empty()) throw config_error(model_type, "block_types", "recurrent or attention", "none");
  for (const std::string& type : block_types)
    if (type != "recurrent" && type != "attention")
      throw config_error(model_type, "block_types", "recurrent or attention", detail::quote_text(type));
  if (rope_parameters.rope_type.view() != "default")
    throw config_error(model_type, "rope_type", "default", detail::quote_text(rope_parameters.rope_type));
  check_divides(model_type, "num_attention_heads", num_attention_heads, "lru_width", recurrence_width());
  check_decoder(*this, model_type);
}

HFT_INLINE AttentionOptions RecurrentGemmaConfig::attention(isize layer) const {
  AttentionOptions o = decoder_attention(*this, layer);
  o.rope = rope(0.5);
  o.bias = attention_bias;
  o.output_bias = true;
  if (recurs(layer))
    o.recurrence = RecurrenceOptions{
        .width = recurrence_width(), .taps = conv1d_width, .activation = find_activation(hidden_act, model_type)};
  else
    o.visible = visibility::window(attention_window_size);
  return o;
}

HFT_INLINE TokenModelOptions<> RecurrentGemmaConfig::text_model() const {
  auto o = decoder_model(*this, class_prefix, {.size = hidden_size, .eps = rms_norm_eps, .weight_from_zero = true});
  o.embeddings.scale = f32(bf16(f32(std::sqrt(f64(hidden_size)))));
  for (auto& layer : o.layers) {
    layer.mlp.intermediate_size = intermediate_size / 2;
    layer.mlp.bias = true;
  }
  return o;
}

HFT_INLINE LMHeadOptions RecurrentGemmaConfig::lm_head() const {
  auto o = DecoderConfig::lm_head();
  o.logit_softcap = logits_soft_cap;
  return o;
}

HFT_INLINE f64 RecurrentGemmaConfig::initial_deviation(std::string_view path) const {
  const auto of = [&](std::string_view part) { return path.find(part) != path.npos; };
  if (of("q_proj") || of("k_proj") || of("v_proj") || of("linear_x") || of("linear_y"))
    return std::sqrt(1 / f64(hidden_size));
  if (of("o_proj")) return std::sqrt(2 / f64(num_hidden_layers) / f64(hidden_size));
  if (of("linear_out")) return std::sqrt(2 / f64(num_hidden_layers) / f64(recurrence_width()));
  return std::sqrt(w_init_variance_scale / f64(of("gates") ? recurrence_width() / num_attention_heads : conv1d_width));
}

HFT_INLINE bool RecurrentGemmaConfig::initialise(std::string_view path, const std::vector<isize>&,
                                                 const random_stream& random, std::vector<f32>& values) const {
  const bool norm = path.ends_with("norm.weight");
  if (!norm && !path.ends_with("recurrent_param")) return false;
  for (std::size_t i = 0; i < values.size(); ++i)  // -8 times the softplus of a parameter: the logarithm of a^8
    values[i] = norm ? 0 : f32(std::log(1 / std::sqrt(0.81 + (0.999 * 0.999 - 0.81) * random.uniform(i)) - 1));
  return true;
}

#endif  // HFT_DEFINES

}  // namespace hft
