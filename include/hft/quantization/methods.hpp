// The methods that quantised a checkpoint's weights, as a table of readers: what a loader asks.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <hft/io/json.hpp>
#include <hft/io/stored_tensor.hpp>
#include <hft/quantization/bitnet.hpp>
#include <hft/quantization/bitsandbytes.hpp>

namespace hft {

/// A method of quantisation as a reader of its checkpoints.
struct quantization_method {
  std::string_view name;  // quant_method of a config's quantization_config
  /// Whether a checkpoint's weights are its; config is the quantization_config of its config.json, or null. Throws
  /// unsupported_error for a kind that cannot be read.
  bool (*claims)(std::span<const stored_tensor> tensors, const json& config, std::string_view where);
  /// The tensors with each quantised weight put together under its name, (out, in); `unpacked` are the names of those,
  /// sorted.
  std::vector<stored_tensor> (*unpack)(std::span<const stored_tensor> tensors, const json& config,
                                       std::string_view where, std::vector<std::string>& unpacked);
  /// Whether the linear layer of that name rounds what it sees (round_rows), `last` being the model's last parameter;
  /// null: none does.
  bool (*rounds)(const json& config, std::string_view layer, std::string_view last) = nullptr;
  /// What those layers make of their weights as stored; null: nothing.
  stored_tensor (*weight_of)(const json& config, const stored_tensor& weight) = nullptr;
  /// The quantization_config of a model that is saved with the weights that it computes with; null: none.
  json (*saved)(const json& config) = nullptr;
};

inline constexpr quantization_method quantization_methods[] = {
    {"bitsandbytes",
     [](std::span<const stored_tensor> tensors, const json&, std::string_view where) {
       return detail::holds_bitsandbytes(tensors, where);
     },
     [](std::span<const stored_tensor> tensors, const json&, std::string_view where,
        std::vector<std::string>& unpacked) { return detail::unpack_bitsandbytes(tensors, where, unpacked); }},
    {"bitnet",
     [](std::span<const stored_tensor>, const json& config, std::string_view where) {
       return detail::holds_bitnet(config, where);
     },
     detail::unpack_bitnet, detail::is_bitnet_layer, detail::bitnet_weight, detail::saved_bitnet}};

/// What of a quantization_config stands in the config of the model that is read; null: nothing.
inline json saved_quantization(const json& config, std::string_view where) {
  if (!config.is_object()) return nullptr;
  const auto called = get<std::string>(config, "quant_method", "", where);
  for (const quantization_method& method : quantization_methods)
    if (method.saved && method.name == called) return method.saved(config);
  return nullptr;
}

/// The first method of the table that claims a checkpoint's tensors, or null.
inline const quantization_method* find_quantization_method(std::span<const stored_tensor> tensors, const json& config,
                                                           std::string_view where) {
  for (const quantization_method& method : quantization_methods)
    if (method.claims(tensors, config, where)) return &method;
  return nullptr;
}

}  // namespace hft
