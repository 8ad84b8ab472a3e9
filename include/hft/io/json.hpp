// JSON for configurations and other small files: strict parsing, typed access with errors that say where, and writing
// as Python's json.dumps writes. The one header that includes nlohmann. Large files (tokenizer.json) are
// large_json.hpp's.
#pragma once
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/io/mapped_file.hpp>
#include <hft/io/utf8.hpp>

namespace hft {

/// A JSON value. Objects keep their keys in the order they were written in; finding a key is linear in their number.
using json = nlohmann::ordered_json;

inline constexpr std::size_t json_max_depth = 64;

namespace detail {

/// A value as it is described in messages: `the string "gelu"`, `-3`, `an array of 4`.
inline std::string describe(const json& value) {
  switch (value.type()) {
    case json::value_t::null:
      return "null";
    case json::value_t::boolean:
      return value.get<bool>() ? "true" : "false";
    case json::value_t::string:
      return "the string " + quote_text(value.get_ref<const std::string&>());
    case json::value_t::number_integer:
      return cat(value.get<std::int64_t>());
    case json::value_t::number_unsigned:
      return cat(value.get<std::uint64_t>());
    case json::value_t::number_float:
      return cat(value.get<double>());
    case json::value_t::array:
      return cat("an array of ", value.size());
    default:
      return cat("an object of ", value.size());
  }
}

/// Builds a json value from the parser's events, with the checks that nlohmann's own builder does not make. It keeps
/// where it is, so that an error can name the path.
class json_builder {
 public:
  using number_integer_t = json::number_integer_t;
  using number_unsigned_t = json::number_unsigned_t;
  using number_float_t = json::number_float_t;
  using string_t = json::string_t;
  using binary_t = json::binary_t;

  json_builder(std::string_view where, std::size_t max_depth) : where_(where), max_depth_(max_depth) {}
  json take() { return std::move(root_); }

  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(number_integer_t value) { return add(value); }
  bool number_unsigned(number_unsigned_t value) { return add(value); }
  bool number_float(number_float_t value, const string_t&) { return add(value); }
  bool string(string_t& value) { return add(std::move(value)); }
  bool binary(binary_t&) { return false; }  // not part of JSON text
  bool start_object(std::size_t) { return open(json::object()); }
  bool start_array(std::size_t) { return open(json::array()); }
  bool key(string_t& name) {
    // Behind the object's own insertion, which would search for the key each time: duplicates are found at its end.
    members(*open_.back()).emplace_back(std::move(name), nullptr);
    return true;
  }
  bool end_object() {
    const auto& all = members(*open_.back());
    std::vector<std::string_view> names;
    names.reserve(all.size());
    for (const auto& member : all) names.push_back(member.first);
    std::sort(names.begin(), names.end());
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice != names.end())
      throw format_error(where_, "JSON key " + quote_text(path(std::string(*twice))) + " appears twice");
    open_.pop_back();
    return true;
  }
  bool end_array() {
    open_.pop_back();
    return true;
  }
  bool parse_error(std::size_t byte, const std::string&, const nlohmann::detail::exception& e) {
    // "[json.exception.parse_error.101] parse error at line 3, column 7: syntax error while ...": the tag says nothing
    // to our reader.
    std::string_view text = e.what();
    if (const auto tag = text.find("] "); tag != text.npos) text.remove_prefix(tag + 2);
    const std::string at = path({});
    throw format_error(
        where_, cat("malformed JSON at byte ", byte, at.empty() ? "" : " in " + quote_text(at), ": ", printable(text)));
  }

 private:
  static std::vector<std::pair<const std::string, json>>& members(json& object) {
    return object.get_ref<json::object_t&>();
  }
  // nlohmann quotes the offending bytes; control and non-ASCII ones would spoil a message.
  static std::string printable(std::string_view text) {
    std::string out;
    for (char c : text.substr(0, 300)) out += c >= 0x20 && c < 0x7f ? c : '?';
    return out;
  }

  template <class Value>
  bool add(Value&& value) {
    place(json(std::forward<Value>(value)));
    return true;
  }
  bool open(json container) {
    if (open_.size() >= max_depth_)
      throw format_error(where_, "JSON is nested too deeply in " + quote_text(path({})),
                         cat("at most ", max_depth_, " levels"));
    open_.push_back(&place(std::move(container)));
    return true;
  }
  // A container does not grow while a member of it is open, so the pointers in open_ stay valid.
  json& place(json value) {
    if (open_.empty()) return root_ = std::move(value);
    json& parent = *open_.back();
    if (parent.is_array()) {
      auto& elements = parent.get_ref<json::array_t&>();
      return elements.emplace_back(std::move(value));
    }
    return members(parent).back().second = std::move(value);
  }
  // The path of what is being read: the last member of each open container, then `last`.
  std::string path(std::string_view last) const {
    std::string out;
    for (std::size_t i = 0; i < open_.size(); ++i) {
      const json& container = *open_[i];
      // The innermost container's current member is named by the caller, if at all.
      if (i + 1 == open_.size() && !last.empty()) break;
      if (container.empty()) break;
      if (container.is_array())
        out += cat("[", container.size() - 1, "]");
      else
        out += cat(out.empty() ? "" : ".", container.get_ref<const json::object_t&>().back().first);
    }
    if (!last.empty()) out += cat(out.empty() ? "" : ".", last);
    return out;
  }

  std::string where_;
  std::size_t max_depth_;
  json root_;
  std::vector<json*> open_;
};

}  // namespace detail

/// Parses JSON text. Throws format_error, naming `where` (a file), the line and the JSON path, for malformed text, bad
/// UTF-8, a key that appears twice in one object, and nesting beyond `max_depth`. Numbers without fraction or exponent
/// stay integers while 64 bits hold them.
inline json parse_json(std::string_view text, std::string_view where, std::size_t max_depth = json_max_depth) {
  if (const auto bad = detail::find_invalid_utf8(text); bad != text.npos)
    throw format_error(
        std::string(where),
        detail::cat("invalid UTF-8 in JSON at line ",
                    1 + std::count(text.begin(), text.begin() + std::ptrdiff_t(bad), '\n'), ", byte ", bad),
        "", detail::quote_text(text.substr(bad, 4)));
  detail::json_builder builder(where, max_depth);
  json::sax_parse(text.data(), text.data() + text.size(), &builder);
  return builder.take();
}

/// Reads and parses a JSON file of at most `max_bytes`.
inline json read_json(const std::filesystem::path& path, std::size_t max_bytes = std::size_t{100} << 20) {
  return parse_json(read_text(path, max_bytes), path.string());
}

namespace detail {

template <class T>
inline constexpr bool is_vector = false;
template <class T>
inline constexpr bool is_vector<std::vector<T>> = true;

[[noreturn]] inline void json_mismatch(const json& value, std::string_view where, std::string_view path,
                                       std::string expected) {
  throw format_error(std::string(where), path.empty() ? std::string() : quote_text(path), std::move(expected),
                     describe(value));
}

}  // namespace detail

/// A JSON value as a T: bool, an integer type (range-checked, never through double), a floating type (from any number),
/// std::string, std::vector of these, or json itself. Throws format_error that names `where` and `path`.
template <class T>
T json_as(const json& value, std::string_view where, std::string_view path) {
  if constexpr (std::is_same_v<T, json>) {
    return value;
  } else if constexpr (std::is_same_v<T, bool>) {
    if (!value.is_boolean()) detail::json_mismatch(value, where, path, "a boolean");
    return value.get<bool>();
  } else if constexpr (std::is_integral_v<T>) {
    if (value.is_number_unsigned()) {
      const auto n = value.get<std::uint64_t>();
      if (std::in_range<T>(n)) return T(n);
    } else if (value.is_number_integer()) {
      const auto n = value.get<std::int64_t>();
      if (std::in_range<T>(n)) return T(n);
    } else {
      detail::json_mismatch(value, where, path, "an integer");
    }
    detail::json_mismatch(
        value, where, path,
        detail::cat("an integer from ", std::numeric_limits<T>::min(), " to ", std::numeric_limits<T>::max()));
  } else if constexpr (std::is_floating_point_v<T>) {
    if (!value.is_number()) detail::json_mismatch(value, where, path, "a number");
    return value.get<T>();
  } else if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, std::string_view>) {
    if (!value.is_string()) detail::json_mismatch(value, where, path, "a string");
    return value.get_ref<const std::string&>();
  } else {
    static_assert(detail::is_vector<T>,
                  "hft: json_as reads bool, integers, floating types, std::string, json, and vectors of these");
    if (!value.is_array()) detail::json_mismatch(value, where, path, "an array");
    T out;
    out.reserve(value.size());
    std::size_t i = 0;
    for (const json& element : value)
      out.push_back(json_as<typename T::value_type>(element, where, detail::cat(path, "[", i++, "]")));
    return out;
  }
}

/// The member `key` of an object, or null where it is absent or JSON's null, which Python reads as None. `where` names
/// the file; throws format_error where `object` is no object.
inline const json* find_member(const json& object, std::string_view key, std::string_view where = "JSON") {
  if (!object.is_object()) detail::json_mismatch(object, where, "", detail::cat("an object with the key '", key, "'"));
  for (const auto& [name, value] : object.get_ref<const json::object_t&>())
    if (name == key) return value.is_null() ? nullptr : &value;
  return nullptr;
}

/// The member `key` as a T (see json_as), or `fallback` where it is absent or null.
template <class T>
T get(const json& object, std::string_view key, std::type_identity_t<T> fallback, std::string_view where = "JSON") {
  const json* value = find_member(object, key, where);
  return value != nullptr ? json_as<T>(*value, where, key) : fallback;
}

/// The member `key` as a T, or nothing where it is absent or null.
template <class T>
std::optional<T> get_optional(const json& object, std::string_view key, std::string_view where = "JSON") {
  const json* value = find_member(object, key, where);
  return value != nullptr ? std::optional<T>(json_as<T>(*value, where, key)) : std::nullopt;
}

/// The member `key` as a T. Throws format_error where it is absent or null.
template <class T>
T require(const json& object, std::string_view key, std::string_view where = "JSON") {
  const json* value = find_member(object, key, where);
  if (value == nullptr) throw format_error(std::string(where), detail::cat("'", key, "' is missing"));
  return json_as<T>(*value, where, key);
}

/// How `dump` writes. The default is what Transformers writes its config files with.
struct dump_options {
  int indent = 2;            // spaces per level; negative: all on one line, as json.dumps does without indent
  bool sort_keys = true;     // by code point
  bool ensure_ascii = true;  // everything else as \uXXXX
  bool trailing_newline = true;
};

namespace detail {

/// A double as Python's repr writes it: the shortest digits that read back, 1e-05, 10000.0, 1e+16; as json.dumps for
/// what JSON has no number for.
inline void append_python_float(std::string& out, double value) {
  if (std::isnan(value)) {
    out += "NaN";
    return;
  }
  if (std::isinf(value)) {
    out += value < 0 ? "-Infinity" : "Infinity";
    return;
  }
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  std::string_view text(buffer, std::size_t(end - buffer));  // -d.ddde+XX
  if (text[0] == '-') {
    out += '-';
    text.remove_prefix(1);
  }
  const auto e = text.find('e');
  int exponent = 0;
  std::from_chars(text.data() + e + (text[e + 1] == '+' ? 2 : 1), text.data() + text.size(), exponent);
  if (exponent < -4 || exponent >= 16) {  // Python's limits; to_chars writes the exponent as Python does
    out += text;
    return;
  }
  std::string digits(1, text[0]);
  if (e > 2) digits += text.substr(2, e - 2);
  if (exponent < 0) {
    out += "0.";
    out.append(std::size_t(-exponent - 1), '0');
    out += digits;
    return;
  }
  const auto whole = std::size_t(exponent) + 1;
  if (digits.size() < whole) digits.append(whole - digits.size(), '0');
  out.append(digits, 0, whole);
  out += '.';
  out += digits.size() > whole ? std::string_view(digits).substr(whole) : std::string_view("0");
}

inline void append_hex_escape(std::string& out, unsigned unit) {
  static constexpr char hex[] = "0123456789abcdef";
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out += hex[(unit >> shift) & 15];
}

/// A JSON string literal as json.dumps writes it. Throws format_error where the text is not UTF-8.
inline void append_json_string(std::string& out, std::string_view text, bool ensure_ascii) {
  if (!valid_utf8(text)) throw format_error("JSON", "string", "valid UTF-8", quote_text(text));
  out += '"';
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    constexpr std::string_view special = "\"\\\n\r\t\b\f", letter = "\"\\nrtbf";
    if (const auto at = special.find(char(c)); at != special.npos) {
      out += '\\';
      out += letter[at];
    } else if (c < 0x20 || (c == 0x7f && ensure_ascii)) {
      append_hex_escape(out, c);
    } else if (c < 0x80 || !ensure_ascii) {
      out += char(c);
    } else {
      const int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
      unsigned code = c & (0x3fu >> more);
      for (int k = 0; k < more; ++k) code = (code << 6) | (static_cast<unsigned char>(text[++i]) & 0x3fu);
      if (code >= 0x10000) {
        append_hex_escape(out, 0xd800 + ((code - 0x10000) >> 10));
        append_hex_escape(out, 0xdc00 + ((code - 0x10000) & 0x3ff));
      } else {
        append_hex_escape(out, code);
      }
    }
  }
  out += '"';
}

inline void append_json(std::string& out, const json& value, const dump_options& options, int level) {
  const auto new_line = [&](int at) {
    if (options.indent < 0) return;
    out += '\n';
    out.append(std::size_t(options.indent) * std::size_t(at), ' ');
  };
  const auto separator = [&](bool& first) {
    if (!std::exchange(first, false)) out += options.indent < 0 ? ", " : ",";
    new_line(level + 1);
  };
  switch (value.type()) {
    case json::value_t::object: {
      std::vector<const std::pair<const std::string, json>*> members;
      for (const auto& member : value.get_ref<const json::object_t&>()) members.push_back(&member);
      if (options.sort_keys)  // UTF-8 sorts as its code points do
        std::sort(members.begin(), members.end(), [](const auto* a, const auto* b) { return a->first < b->first; });
      out += '{';
      bool first = true;
      for (const auto* member : members) {
        separator(first);
        append_json_string(out, member->first, options.ensure_ascii);
        out += ": ";
        append_json(out, member->second, options, level + 1);
      }
      if (!first) new_line(level);
      out += '}';
      break;
    }
    case json::value_t::array: {
      out += '[';
      bool first = true;
      for (const json& element : value) {
        separator(first);
        append_json(out, element, options, level + 1);
      }
      if (!first) new_line(level);
      out += ']';
      break;
    }
    case json::value_t::string:
      append_json_string(out, value.get_ref<const std::string&>(), options.ensure_ascii);
      break;
    case json::value_t::boolean:
      out += value.get<bool>() ? "true" : "false";
      break;
    case json::value_t::number_integer:
      append(out, value.get<std::int64_t>());
      break;
    case json::value_t::number_unsigned:
      append(out, value.get<std::uint64_t>());
      break;
    case json::value_t::number_float:
      append_python_float(out, value.get<double>());
      break;
    default:
      out += "null";
  }
}

}  // namespace detail

/// JSON text as Python's json.dumps writes it; by default as Transformers writes config.json (indent=2, sort_keys=True,
/// a newline at the end). Throws format_error for a string that is not UTF-8.
inline std::string dump(const json& value, const dump_options& options = {}) {
  std::string out;
  detail::append_json(out, value, options, 0);
  if (options.trailing_newline) out += '\n';
  return out;
}

}  // namespace hft
