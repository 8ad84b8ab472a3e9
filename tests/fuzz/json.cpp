// Fuzz target: both JSON parsers. What the fast one accepts, the careful one must accept and read alike; what the
// careful one accepts must survive being written and read again.
#include "hft/io/json.hpp"

#include <cstdint>
#include <string_view>

#include "hft/error.hpp"
#include "hft/io/large_json.hpp"

namespace {

// Whether both documents hold the same values. Numbers are compared as double: simdjson keeps "-0" an integer.
bool same(const hft::json& a, simdjson::dom::element b) {
  using type = simdjson::dom::element_type;
  switch (b.type()) {
    case type::NULL_VALUE:
      return a.is_null();
    case type::BOOL:
      return a.is_boolean() && a.get<bool>() == hft::as_bool(b, "");
    case type::STRING:
      return a.is_string() && a.get_ref<const std::string&>() == hft::as_string(b, "");
    case type::ARRAY: {
      if (!a.is_array()) return false;
      auto element = a.begin();
      for (const auto e : hft::as_array(b, "")) {
        if (element == a.end() || !same(*element, e)) return false;
        ++element;
      }
      return element == a.end();
    }
    case type::OBJECT: {
      if (!a.is_object()) return false;
      auto member = a.begin();
      for (const auto m : hft::as_object(b, "")) {
        if (member == a.end() || member.key() != m.key || !same(*member, m.value)) return false;
        ++member;
      }
      return member == a.end();
    }
    default:
      return a.is_number() && a.get<double>() == hft::as_f64(b, "");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const auto fast = hft::large_json::parse(text, "fuzz");
    try {
      // simdjson does not count an empty container as a level.
      if (!same(hft::parse_json(text, "fuzz", hft::json_max_depth + 1), fast.root())) __builtin_trap();
    } catch (const hft::error&) {
      __builtin_trap();
    }
  } catch (const hft::error&) {
  }
  for (const auto numbers : {hft::json_numbers::strict, hft::json_numbers::python}) {
    const auto parse = [&](std::string_view t) { return hft::parse_json(t, "fuzz", hft::json_max_depth, numbers); };
    try {
      const std::string written = hft::dump(parse(text));
      if (hft::dump(parse(written)) != written) __builtin_trap();
    } catch (const hft::error&) {
    }
  }
  return 0;
}
