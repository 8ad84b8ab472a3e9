// The methods that quantised a checkpoint's weights, as a table of readers: what a loader asks.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <hft/io/stored_tensor.hpp>
#include <hft/quantization/bitsandbytes.hpp>

namespace hft {

/// A method of quantisation as a reader of its checkpoints.
struct quantization_method {
  std::string_view name;  // quant_method of a config's quantization_config
  /// Whether a checkpoint's weights are its. Throws unsupported_error for a kind that cannot be read.
  bool (*claims)(std::span<const stored_tensor> tensors, std::string_view where);
  /// The tensors with each quantised weight put together under its name, (out, in); `unpacked` are the names of those,
  /// sorted.
  std::vector<stored_tensor> (*unpack)(std::span<const stored_tensor> tensors, std::string_view where,
                                       std::vector<std::string>& unpacked);
};

inline constexpr quantization_method quantization_methods[] = {
    {"bitsandbytes", detail::holds_bitsandbytes, detail::unpack_bitsandbytes}};

/// The first method of the table that claims a checkpoint's tensors, or null.
inline const quantization_method* find_quantization_method(std::span<const stored_tensor> tensors,
                                                           std::string_view where) {
  for (const quantization_method& method : quantization_methods)
    if (method.claims(tensors, where)) return &method;
  return nullptr;
}

}  // namespace hft
