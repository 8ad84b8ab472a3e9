// Llama 4 over text: layers whose queries see a chunk of the text, with rotary positions, and layers that see all of
// it, without; mixtures of experts that all tokens share one of, and whose weights multiply what an expert sees.
// Meta 2025, https://ai.meta.com/blog/llama-4-multimodal-intelligence. transformers/models/llama4/modeling_llama4.py
#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include <hft/io/gguf_writer.hpp>
#include <hft/models/sparse_config.hpp>

namespace hft {

/// transformers.Llama4TextConfig; fields have its names and defaults.
struct Llama4TextConfig : DecoderConfig {
  f64 rms_norm_eps = 1e-5;
  bool attention_bias = false;
  bool use_qk_norm = true;                    // of layers with positions, without weights
  std::vector<isize> no_rope_layers = {};     // 1 for each layer with positions, 0 for each without
  isize no_rope_layer_interval = 4;           // every so manieth layer has none, where no_rope_layers say nothing
  std::vector<std::string> layer_types = {};  // default: those with positions have "chunked_attention"
  std::optional<isize> attention_chunk_size = 8192;  // keys of a chunk; none: all see all
  bool attn_temperature_tuning = true;               // see TemperatureOptions; of layers without positions
  isize floor_scale = 8192;                          // its step
  f64 attn_scale = 0.1;                              // and its strength
  isize intermediate_size_mlp = 16384;               // of dense MLPs; intermediate_size is that of an expert
  isize num_local_experts = 16, num_experts_per_tok = 1;
  std::vector<isize> moe_layers = {};  // those with experts; default: every interleave_moe_layer_step-th
  isize interleave_moe_layer_step = 1;

  static constexpr const char* model_type = "llama4_text";
  static constexpr const char* class_prefix = "Llama4";
  static constexpr std::pair<std::string_view, std::string_view> class_suffixes[] = {{"Model", "TextModel"}};
  static constexpr name_rule rules[] = {{"layers.*.mlp.gate", "layers.*.feed_forward.router"},
                                        {"layers.*.mlp", "layers.*.feed_forward"}};
  static constexpr stack_rule stacks[] = {{"layers.*.feed_forward.experts.*.gate_proj.weight",
                                           "layers.*.feed_forward.experts.gate_up_proj",
                                           {.part = 0, .parts = 2, .transposed = true}},
                                          {"layers.*.feed_forward.experts.*.up_proj.weight",
                                           "layers.*.feed_forward.experts.gate_up_proj",
                                           {.part = 1, .parts = 2, .transposed = true}},
                                          {"layers.*.feed_forward.experts.*.down_proj.weight",
                                           "layers.*.feed_forward.experts.down_proj",
                                           {.transposed = true}}};
  static constexpr name_tables names{.rules = rules,
                                     .stacks = stacks,
                                     .gguf = gguf_decoder_names,
                                     .gguf_stacks = gguf_expert_stacks,
                                     .gguf_pairs = false,
                                     .gguf_architecture = "llama4",
                                     .class_suffixes = class_suffixes};

  Llama4TextConfig();
  void fields(field_visitor& v);
  void check() const;

  void complete_from(const gguf_file& file);
  void complete_in(gguf_keys& keys) const;
  bool turns(isize layer) const {
    return no_rope_layers.empty() ? (layer + 1) % no_rope_layer_interval != 0 : no_rope_layers[std::size_t(layer)] != 0;
  }
  bool chunked(isize layer) const {
    return layer_types.empty() ? turns(layer) : layer_types[std::size_t(layer)] != full_attention;
  }
  bool sparse(isize layer) const {
    return moe_layers.empty() ? (layer + 1) % interleave_moe_layer_step == 0
                              : std::find(moe_layers.begin(), moe_layers.end(), layer) != moe_layers.end();
  }
  AttentionOptions attention(isize layer) const;
  TokenModelOptions<> text_model() const;
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Llama4TextModel = DecoderModel<Llama4TextConfig, SparseBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Llama4ForCausalLM = CausalLM<Llama4TextConfig, SparseBlock, RMSNorm, build<W, D, L, S>>;

struct llama4_text : architecture<Llama4TextConfig, Llama4TextModel, Llama4ForCausalLM> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE Llama4TextConfig::Llama4TextConfig() {
  vocab_size = 202048;
  hidden_size = 5120;
  intermediate_size = 8192;
  num_hidden_layers = 48;
  num_attention_heads = 40;
  num_key_value_heads = 8;
  head_dim = 128;
  max_position_embeddings = 4096 * 32;
  eos_token_id = 2;
  rope_parameters.rope_theta = 5e5;
}

HFT_INLINE void Llama4TextConfig::fields(field_visitor& v) {
  DecoderConfig::fields(v);
  v("rms_norm_eps", rms_norm_eps, v.not_negative.gguf("attention.layer_norm_rms_epsilon"));
  v("attention_bias", attention_bias);
  v("use_qk_norm", use_qk_norm);
  v("no_rope_layers", no_rope_layers);
  v("no_rope_layer_interval", no_rope_layer_interval, v.extent);
  v("layer_types", layer_types);
  v("attention_chunk_size", attention_chunk_size, v.extent);
  v("attn_temperature_tuning", attn_temperature_tuning);
  v("floor_scale", floor_scale, v.extent);
  v("attn_scale", attn_scale);
  v("intermediate_size_mlp", intermediate_size_mlp, v.extent);
  v("num_local_experts", num_local_experts, v.extent.gguf("expert_count"));
  v("num_experts_per_tok", num_experts_per_tok, v.extent.gguf("expert_used_count"));
  v("moe_layers", moe_layers);
  v("interleave_moe_layer_step", interleave_moe_layer_step, v.extent.gguf("interleave_moe_layer_step"));
}

// What the file does not say, llama.cpp, too, takes for what Llama 4's two models have.
HFT_INLINE void Llama4TextConfig::complete_from(const gguf_file& file) {
  DecoderConfig::complete_from(file);
  intermediate_size_mlp = intermediate_size;
  intermediate_size = gguf_number(file, "expert_feed_forward_length", intermediate_size);
  use_qk_norm = num_local_experts != 128;
  const auto* window = gguf_says(file, "attention.sliding_window");
  if (window && window->as_i64() == 0) {  // MobileLLM
    attention_chunk_size = {};
    no_rope_layer_interval = isize(field_visitor::layers.most) + 1;
  }
}

HFT_INLINE void Llama4TextConfig::complete_in(gguf_keys& keys) const {
  keys.number("feed_forward_length", intermediate_size_mlp);
  keys.number("expert_feed_forward_length", intermediate_size);
  if (!attention_chunk_size) keys.number("attention.sliding_window", 0);
}

HFT_INLINE void Llama4TextConfig::check() const {
  check_rope_layers(no_rope_layers, num_hidden_layers, model_type);
  check_layer_types(layer_types, num_hidden_layers, model_type, "chunked_attention");
  check_decoder(*this, model_type);
  check_experts(num_local_experts, num_experts_per_tok, model_type);
}

HFT_INLINE AttentionOptions Llama4TextConfig::attention(isize layer) const {
  AttentionOptions o = decoder_attention(*this, layer);
  o.bias = o.output_bias = attention_bias;
  o.interleaved = true;
  o.rotary = turns(layer);
  if (o.rotary && use_qk_norm) o.qk_norm = QKNormOptions{.eps = rms_norm_eps, .weight = false, .after_positions = true};
  if (!o.rotary && attn_temperature_tuning) o.temperature = TemperatureOptions{floor_scale, attn_scale};
  if (chunked(layer) && attention_chunk_size) o.visible = visibility::chunks(*attention_chunk_size);
  return o;
}

HFT_INLINE TokenModelOptions<> Llama4TextConfig::text_model() const {
  auto o = decoder_model(*this, class_prefix, {.size = hidden_size, .eps = rms_norm_eps});
  for (auto& layer : o.layers) {
    layer.mlp.intermediate_size = intermediate_size_mlp;
    if (!sparse(layer.attention.layer)) continue;
    auto& e = layer.mlp.experts;
    e.count = num_local_experts, e.per_token = num_experts_per_tok;
    e.intermediate_size = e.shared_size = intermediate_size;
    e.sigmoid = e.weighs_inputs = true;
    e.normalised = false;
  }
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
