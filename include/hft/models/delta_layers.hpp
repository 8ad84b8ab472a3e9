// DeltaLayers: what the configs of decoders share that have a GatedDeltaNet on most layers (Qwen3-Next, Qwen3.5).
#pragma once
#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <hft/layers/hybrid_attention.hpp>
#include <hft/models/decoder_config.hpp>
#include <hft/random.hpp>

namespace hft {

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
  static TextModelOptions<> model(const Config& c) {
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
  v("linear_conv_kernel_dim", linear_conv_kernel_dim, v.extent);
  v("linear_key_head_dim", linear_key_head_dim, v.extent);
  v("linear_value_head_dim", linear_value_head_dim, v.extent);
  v("linear_num_key_heads", linear_num_key_heads, v.extent);
  v("linear_num_value_heads", linear_num_value_heads, v.extent);
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
