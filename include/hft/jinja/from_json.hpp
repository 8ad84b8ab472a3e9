// JSON into a template: the variables of a rendering.
#pragma once
#include <concepts>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <hft/jinja/value.hpp>

namespace hft::detail::jinja {

/// hft::json, or nlohmann's basic_json of any kind, without including either. tojson shows keys in their order.
template <class J>
concept json_document = requires(const J& j) {
  { j.is_object() } -> std::convertible_to<bool>;
  { j.is_number_unsigned() } -> std::convertible_to<bool>;
  j.items();
  j.template get<std::string>();
};

/// Throws template_error for integers beyond 64 bits and documents nested too deeply.
template <json_document J>
value from_json(const J& j, int depth = 0) {
  if (depth >= max_nesting) throw template_error("chat template", "the variables are nested too deeply");
  if (j.is_object()) {
    std::vector<std::pair<value, value>> items;
    items.reserve(j.size());
    for (auto it = j.begin(); it != j.end(); ++it)
      items.emplace_back(value(it.key()), from_json(it.value(), depth + 1));
    return value::dict(std::move(items));
  }
  if (j.is_array()) {
    std::vector<value> items;
    items.reserve(j.size());
    for (const auto& item : j) items.push_back(from_json(item, depth + 1));
    return value::list(std::move(items));
  }
  if (j.is_string()) return value(j.template get<std::string>());
  if (j.is_boolean()) return value(j.template get<bool>());
  if (j.is_number_unsigned()) {
    const auto n = j.template get<std::uint64_t>();
    if (n > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
      throw template_error("chat template", "an integer among the variables", "at most 64 bits with sign", joined(n));
    return value(static_cast<std::int64_t>(n));
  }
  if (j.is_number_integer()) return value(j.template get<std::int64_t>());
  if (j.is_number_float()) return value(j.template get<double>());
  return value();
}

}  // namespace hft::detail::jinja
