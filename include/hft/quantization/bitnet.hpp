// BitNet's weights of -1, 0 and 1 with a scale (Ma et al. 2024, arXiv 2402.17764), as checkpoints with
// quantization_config {"quant_method": "bitnet"} have them. transformers/integrations/bitnet.py
//
//   X.weight         linear layers' codes in U8: row r of (out / 4, in) has four rows of the weight, r + i out / 4 in
//   bits
//                    2i and 2i + 1, each code one more than its value; or the floating weight
//   X.weight_scale   one number; "autobitlinear" multiplies by it, "bitlinear" divides by it
//
// In the mode "online" weights are floating ones that each pass rounds to such. In all, what a layer sees is rounded to
// 8 bits (round_rows). Weights are widened as they are read: to bf16 where that holds the scale, else to f32.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/io/json.hpp>
#include <hft/io/sorting.hpp>
#include <hft/io/stored_tensor.hpp>
#include <hft/linkage.hpp>
#include <hft/quantization/convert.hpp>
#include <hft/quantization/module_names.hpp>

namespace hft::detail {

/// Whether a config's quantization_config is BitNet's. Throws unsupported_error for norms inside the layers,
/// config_error for kinds of layers and modes that there are not.
bool holds_bitnet(const json& config, std::string_view where);

/// The tensors of a checkpoint with each packed weight put together under its name; `unpacked` are the names of those,
/// sorted. Throws weight_error where a weight's tensors do not fit each other.
std::vector<stored_tensor> unpack_bitnet(std::span<const stored_tensor> tensors, const json& config,
                                         std::string_view where, std::vector<std::string>& unpacked);

/// Whether the linear layer of that name is BitNet's; `last` is the name of the model's last parameter.
bool is_bitnet_layer(const json& config, std::string_view layer, std::string_view last);

/// The values of a weight as the mode "online" takes them: -s, 0 and s with s the mean magnitude.
void round_to_ternary(std::span<f32> values);

/// What a linear layer's weight is as the mode takes it.
stored_tensor bitnet_weight(const json& config, const stored_tensor& weight);

/// The config of weights that are stored as they are computed with.
json saved_bitnet(const json& config);

#if HFT_DEFINES(MODELS)

HFT_INLINE_ONCE bool holds_bitnet(const json& config, std::string_view where) {
  const std::string at = cat(where, ": quantization_config");
  if (!config.is_object() || get<std::string>(config, "quant_method", "", at) != "bitnet") return false;
  const auto one_of = [&](const char* field, const char* usual, const char* other) {
    const auto found = get<std::string>(config, field, usual, at);
    if (found != usual && found != other) throw config_error(at, field, cat(usual, " or ", other), quote_text(found));
  };
  one_of("linear_class", "bitlinear", "autobitlinear");
  one_of("quantization_mode", "offline", "online");
  if (get<bool>(config, "use_rms_norm", false, at)) throw unsupported_error(at, "use_rms_norm", "false", "true");
  return true;
}

HFT_INLINE_ONCE bool is_bitnet_layer(const json& config, std::string_view layer, std::string_view last) {
  const auto named = get<std::vector<std::string>>(config, "modules_to_not_convert", {}, "quantization_config");
  if (!config.contains("modules_to_not_convert") || config["modules_to_not_convert"].is_null()) {
    constexpr std::string_view ending = ".weight";
    if (last.ends_with(ending) && layer == last.substr(0, last.size() - ending.size())) return false;
    return layer != "lm_head" && !layer.ends_with(".lm_head");
  }
  return !lists_module(named, layer);
}

HFT_INLINE_ONCE void round_to_ternary(std::span<f32> values) {
  f64 sum = 0;
  for (const f32 v : values) sum += std::abs(v);
  const f32 mean = values.empty() ? 0.0f : f32(sum / f64(values.size()));
  const f32 scale = 1 / std::max(mean, 1e-5f);
  for (f32& v : values) v = std::clamp(std::nearbyint(v * scale), -1.0f, 1.0f) / scale;
}

HFT_INLINE_ONCE json saved_bitnet(const json& config) {
  json saved = config;
  saved["linear_class"] = "autobitlinear";
  saved["quantization_mode"] = "offline";
  return saved;
}

// A tensor of other values, in bf16 if asked for, else in f32.
inline stored_tensor with_values(const stored_tensor& t, std::vector<isize> shape, std::vector<f32> values,
                                 bool narrow = false) {
  stored_tensor out;
  out.name = t.name;
  out.shape = std::move(shape);
  const auto hold = [&](auto memory) {
    out.bytes = std::as_bytes(std::span(*memory));
    out.owner = std::move(memory);
  };
  if (narrow) {
    auto halves = std::make_shared<std::vector<bf16>>(values.size());
    convert_to_float(dtype_id::bf16, halves->data(), dtype_id::f32, values.data(), isize(values.size()));
    out.dtype = dtype_id::bf16;
    hold(std::move(halves));
  } else {
    hold(std::make_shared<std::vector<f32>>(std::move(values)));
  }
  return out;
}

inline std::vector<f32> values_of(const stored_tensor& t) {
  std::vector<f32> values(static_cast<std::size_t>(t.numel()));
  convert_to_float(dtype_id::f32, values.data(), t.dtype, t.bytes.data(), t.numel());
  return values;
}

HFT_INLINE_ONCE stored_tensor bitnet_weight(const json& config, const stored_tensor& weight) {
  if (get<std::string>(config, "quantization_mode", "offline") != "online") return weight;
  auto values = values_of(weight);
  round_to_ternary(values);
  return with_values(weight, weight.shape, std::move(values));
}

// The weight of packed codes.
inline stored_tensor unpacked_bitnet(const stored_tensor& codes, f32 scale, std::string_view where) {
  constexpr isize in_a_byte = 4;
  if (codes.shape.size() != 2)
    throw weight_error(std::string(where), "tensor " + quote_text(codes.name), "codes of a matrix",
                       shape_text(codes.shape));
  const isize count = codes.numel();
  std::vector<f32> values(std::size_t(in_a_byte * count));
  for (isize i = 0; i < in_a_byte; ++i)
    for (isize at = 0; at < count; ++at) {
      const int code = (int(codes.bytes[std::size_t(at)]) >> (2 * i)) & 3;
      values[std::size_t(i * count + at)] = f32(code - 1) * scale;
    }
  return with_values(codes, {in_a_byte * codes.shape[0], codes.shape[1]}, std::move(values), f32(bf16(scale)) == scale);
}

HFT_INLINE_ONCE std::vector<stored_tensor> unpack_bitnet(std::span<const stored_tensor> tensors, const json& config,
                                                         std::string_view where, std::vector<std::string>& unpacked) {
  const bool divides = get<std::string>(config, "linear_class", "bitlinear", where) == "bitlinear";
  constexpr std::string_view ending = ".weight_scale";
  std::map<std::string, f32, std::less<>> scales;  // by the weight's name
  for (const stored_tensor& t : tensors) {
    if (!t.name.ends_with(ending)) continue;
    if (t.numel() != 1 || !info(t.dtype).floating)
      throw weight_error(std::string(where), "tensor " + quote_text(t.name), "one floating number",
                         joined(shape_text(t.shape), " of ", name(t.dtype)));
    const f32 value = values_of(t)[0];
    scales[t.name.substr(0, t.name.size() - std::string_view("_scale").size())] = divides ? 1 / value : value;
  }
  std::vector<stored_tensor> out;
  for (const stored_tensor& t : tensors) {
    const auto scale = scales.find(t.name);
    const f32 factor = scale == scales.end() ? 1 : scale->second;
    if (t.dtype == dtype_id::u8) {
      out.push_back(unpacked_bitnet(t, factor, where));
      unpacked.push_back(t.name);
    } else if (scale != scales.end() && factor != 1) {  // a floating weight
      auto values = values_of(t);
      for (f32& v : values) v *= factor;
      out.push_back(with_values(t, t.shape, std::move(values)));
    } else if (!t.name.ends_with(ending)) {
      out.push_back(t);
    }
  }
  sort_names(unpacked);
  return out;
}

#endif  // HFT_DEFINES

}  // namespace hft::detail
