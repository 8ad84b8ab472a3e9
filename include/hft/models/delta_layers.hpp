// DeltaLayers: what the configs of decoders share that have a GatedDeltaNet on most layers (Qwen3-Next, Qwen3.5).
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <hft/io/gguf_writer.hpp>
#include <hft/layers/hybrid_attention.hpp>
#include <hft/models/decoder_config.hpp>
#include <hft/random.hpp>

namespace hft {

/// What llama.cpp calls a GatedDeltaNet's parts, those of the fused kind, and those of the other.
inline constexpr name_rule gguf_fused_delta_names[] = {
    {"model.layers.*.linear_attn.in_proj_qkvz", "blk.*.attn_qkv+attn_gate", stored_as::row_parts},
    {"model.layers.*.linear_attn.in_proj_ba", "blk.*.ssm_ba"},
    {"model.layers.*.linear_attn.conv1d", "blk.*.ssm_conv1d"},
    {"model.layers.*.linear_attn.dt_bias", "blk.*.ssm_dt.bias"},
    {"model.layers.*.linear_attn.A_log", "blk.*.ssm_a", stored_as::minus_exp},
    {"model.layers.*.linear_attn.norm", "blk.*.ssm_norm"},
    {"model.layers.*.linear_attn.out_proj", "blk.*.ssm_out"},
    {"model.layers.*.post_attention_layernorm", "blk.*.post_attention_norm", stored_as::plus_one}};
inline constexpr join_rule gguf_delta_joins[] = {
    {"blk.*.attn_qkv+attn_gate.weight", "blk.*.attn_qkv.weight", "blk.*.attn_gate.weight"}};
inline constexpr name_rule gguf_apart_delta_names[] = {
    {"model.layers.*.linear_attn.in_proj_qkv", "blk.*.attn_qkv", stored_as::row_parts},
    {"model.layers.*.linear_attn.in_proj_z", "blk.*.attn_gate", stored_as::row_parts},
    {"model.layers.*.linear_attn.in_proj_b", "blk.*.ssm_beta", stored_as::row_parts},
    {"model.layers.*.linear_attn.in_proj_a", "blk.*.ssm_alpha", stored_as::row_parts},
    {"model.layers.*.linear_attn.conv1d", "blk.*.ssm_conv1d", stored_as::row_parts},
    {"model.layers.*.linear_attn.dt_bias", "blk.*.ssm_dt.bias", stored_as::row_parts},
    {"model.layers.*.linear_attn.out_proj", "blk.*.ssm_out", stored_as::column_parts}};
inline constexpr auto gguf_delta_names =
    joined_rules(gguf_apart_delta_names, gguf_fused_delta_names, gguf_plus_one_names);

/// How llama.cpp deals out rotary pairs to an image's positions: four numbers, of which the last is nothing's.
inline std::vector<std::int32_t> gguf_rope_sections(const RopeParameters& rope) {
  std::vector<std::int32_t> sections(rope.mrope_section.begin(), rope.mrope_section.end());
  if (sections.empty()) sections = {11, 11, 10};  // Qwen3.5's
  sections.resize(4);
  return sections;
}

/// Fields have Transformers' names and defaults.
struct DeltaLayers {
  std::vector<std::string> layer_types = {};          // "linear_attention" or "full_attention"; default: each ...
  std::optional<isize> full_attention_interval = {};  // ... so-many-th, the fourth, is full
  isize linear_conv_kernel_dim = 4;
  isize linear_key_head_dim = 128, linear_value_head_dim = 128;
  isize linear_num_key_heads = 16, linear_num_value_heads = 32;

  void fields(field_visitor& v);
  /// Throws config_error for values that do not fit each other.
  void check(isize layers, const char* model_type) const;

  /// What a GGUF file says beside its keys.
  void complete_from(const gguf_file& file);
  void complete_in(gguf_keys& keys, isize layers) const;
  /// Fused projections have their heads of values with those of keys that they belong to; apart ones, in files, the
  /// first of each, then the second of each.
  std::vector<row_parts> gguf_parts(std::string_view path) const;

  bool operator()(isize layer) const {
    return layer_types.empty() ? (layer + 1) % full_attention_interval.value_or(4) != 0
                               : layer_types[std::size_t(layer)] == linear_attention;
  }
  /// Of a layer of a config: full attention with a gate, a quarter of whose heads' elements turn, or a GatedDeltaNet.
  template <class Config>
  AttentionOptions attention(const Config& c, isize layer, bool fused) const {
    AttentionOptions o = decoder_attention(c, layer);
    o.rope = c.rope(0.25);
    if ((*this)(layer)) {
      o.delta = GatedDeltaOptions{.num_key_heads = linear_num_key_heads,
                                  .num_value_heads = linear_num_value_heads,
                                  .key_size = linear_key_head_dim,
                                  .value_size = linear_value_head_dim,
                                  .conv_kernel = linear_conv_kernel_dim,
                                  .activation = find_activation(c.hidden_act, Config::model_type),
                                  .eps = c.rms_norm_eps,
                                  .fused = fused};
      return o;
    }
    o.bias = o.output_bias = c.attention_bias;
    o.qk_norm = QKNormOptions{.eps = c.rms_norm_eps, .weight_from_zero = true};
    o.output_gate = true;
    return o;
  }
  /// The blocks of a config, whose attention this is.
  template <class Config>
  static TokenModelOptions<> model(const Config& c) {
    auto o = decoder_model(c, Config::class_prefix,
                           {.size = c.hidden_size, .eps = c.rms_norm_eps, .weight_from_zero = true});
    for (auto& layer : o.layers)
      if (layer.attention.delta) layer.attention_name = "linear_attn";
    return o;
  }
  /// Norms begin as those of other models, with weights of 0; decays between those of 0.01 and 16.
  static bool initialise(std::string_view path, const random_stream& random, std::vector<f32>& values);
};

#if HFT_DEFINES(MODELS)

HFT_INLINE void DeltaLayers::fields(field_visitor& v) {
  v("layer_types", layer_types);
  v("full_attention_interval", full_attention_interval, v.extent.written_if_set());
  v("linear_conv_kernel_dim", linear_conv_kernel_dim, v.extent.gguf("ssm.conv_kernel"));
  v("linear_key_head_dim", linear_key_head_dim, v.extent.gguf("ssm.state_size"));
  v("linear_value_head_dim", linear_value_head_dim, v.extent);
  v("linear_num_key_heads", linear_num_key_heads, v.extent.gguf("ssm.group_count"));
  v("linear_num_value_heads", linear_num_value_heads, v.extent.gguf("ssm.time_step_rank"));
}

HFT_INLINE void DeltaLayers::complete_from(const gguf_file& file) {
  linear_value_head_dim = gguf_number(file, "ssm.inner_size") / std::max<isize>(linear_num_value_heads, 1);
  layer_types.clear();
  for (const bool linear : gguf_layers_with(file, "ssm_conv1d.weight"))
    layer_types.push_back(linear ? linear_attention : full_attention);
}

HFT_INLINE void DeltaLayers::complete_in(gguf_keys& keys, isize layers) const {
  keys.number("ssm.inner_size", linear_num_value_heads * linear_value_head_dim);
  std::vector<bool> linear;
  for (isize i = 0; i < layers; ++i) linear.push_back((*this)(i));
  keys.flags("attention.recurrent_layers", linear);
  keys.number("full_attention_interval", full_attention_interval.value_or(4));
}

HFT_INLINE std::vector<row_parts> DeltaLayers::gguf_parts(std::string_view path) const {
  const isize keys = linear_num_key_heads, each = linear_num_value_heads / keys, values = each * linear_value_head_dim;
  if (path.ends_with("in_proj_qkvz.weight"))
    return {{keys, {linear_key_head_dim, linear_key_head_dim, values, values}}};
  const bool scalars = path.ends_with("_proj_a.weight") || path.ends_with("_proj_b.weight") ||
                       path.ends_with("A_log") || path.ends_with("dt_bias");
  const row_parts heads{keys, std::vector<isize>(std::size_t(each), scalars ? 1 : linear_value_head_dim)};
  if (path.ends_with("in_proj_qkv.weight") || path.ends_with("conv1d.weight"))
    return {{1, {2 * keys * linear_key_head_dim}}, heads};
  return {heads};
}

HFT_INLINE void DeltaLayers::check(isize layers, const char* model_type) const {
  check_layer_types(layer_types, layers, model_type, linear_attention);
  const auto bounded = [&](const char* name, isize heads, isize size) {
    if (f64(heads) * f64(size) > field_visitor::largest_extent)
      throw config_error(model_type, name, detail::joined("at most ", isize(field_visitor::largest_extent)),
                         detail::joined(heads, " * ", size));
  };
  bounded("linear_num_key_heads * linear_key_head_dim", linear_num_key_heads, linear_key_head_dim);
  bounded("linear_num_value_heads * linear_value_head_dim", linear_num_value_heads, linear_value_head_dim);
  if (linear_num_value_heads % linear_num_key_heads)
    throw config_error(model_type, "linear_num_key_heads",
                       detail::joined("a number that divides linear_num_value_heads = ", linear_num_value_heads),
                       detail::joined(linear_num_key_heads));
}

HFT_INLINE bool DeltaLayers::initialise(std::string_view path, const random_stream& random, std::vector<f32>& values) {
  if (path.ends_with("linear_attn.norm.weight")) return false;
  if (path.ends_with("norm.weight"))
    std::fill(values.begin(), values.end(), 0.0f);
  else if (path.ends_with("linear_attn.dt_bias"))
    std::fill(values.begin(), values.end(), 1.0f);
  else if (path.ends_with("linear_attn.A_log"))
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = f32(std::log(0.01 + 15.99 * random.uniform(i)));
  else
    return false;
  return true;
}

#endif  // HFT_DEFINES

}  // namespace hft
