// Lists of modules by name, as configs of quantisation have them.
#pragma once
#include <algorithm>
#include <span>
#include <string>
#include <string_view>

namespace hft::detail {

/// Whether a list has the module of that path: by the path's beginning, up to a dot or its end, or by its end.
/// (transformers/quantizers/quantizers_utils.py, should_convert_module, but for regular expressions)
inline bool lists_module(std::span<const std::string> names, std::string_view path) {
  return std::any_of(names.begin(), names.end(), [&](std::string_view name) {
    const bool begins = path.starts_with(name);
    return (begins && (path.size() == name.size() || path[name.size()] == '.')) || path.ends_with(name);
  });
}

}  // namespace hft::detail
