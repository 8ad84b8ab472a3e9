// strict_json: JSON of numbers that may be NaN or infinite, for files that every reader takes.
//
// Python writes such numbers as NaN and Infinity, which JSON has not. Here they are null: to Python None, and to a
// strict reader no error.
#pragma once
#include <cmath>
#include <string_view>
#include <utility>

#include <hft/dtype.hpp>
#include <hft/io/json.hpp>
#include <hft/linkage.hpp>

namespace hft {

/// The same value with null in place of each number that is not finite, at any depth.
json strict_json(json value);

/// A number that was written so: null is NaN. Throws format_error where there is none.
f64 require_number_or_nan(const json& object, const char* key, std::string_view where);

#if HFT_DEFINES(MODELS)

HFT_INLINE json strict_json(json value) {
  if (value.is_number_float() && !std::isfinite(value.get<f64>())) return nullptr;
  if (value.is_array())
    for (json& element : value.get_ref<json::array_t&>()) element = strict_json(std::move(element));
  if (value.is_object())
    for (auto& [key, member] : value.get_ref<json::object_t&>()) member = strict_json(std::move(member));
  return value;
}

HFT_INLINE f64 require_number_or_nan(const json& object, const char* key, std::string_view where) {
  if (object.is_object() && object.contains(key) && object[key].is_null()) return std::nan("");
  return require<f64>(object, key, where);
}

#endif  // HFT_DEFINES

}  // namespace hft
