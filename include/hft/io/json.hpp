// JSON for configurations and other small files: strict parsing, with Python's numbers where Python wrote the file,
// typed access with errors that say where, and writing as Python's json.dumps writes. Large files (tokenizer.json) are
// large_json.hpp's.
#pragma once
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/io/json_value.hpp>
#include <hft/io/mapped_file.hpp>
#include <hft/io/placeholder.hpp>
#include <hft/io/sorting.hpp>
#include <hft/io/utf8.hpp>
#include <hft/linkage.hpp>

namespace hft {

inline constexpr std::size_t json_max_depth = 64;

namespace detail {

/// A value as it is described in messages: `the string "gelu"`, `-3`, `an array of 4`.
std::string describe(const json& value);

}  // namespace detail

/// What a text may have for a number. Python's json writes NaN, Infinity and -Infinity, which RFC 8259 has not, and
/// reads a number that no double holds as infinite; what is not Python's (tokenizer.json, the header of safetensors) is
/// strict.
enum class json_numbers { strict, python };

/// Parses JSON text. Throws format_error, naming `where` (a file), the line and the JSON path, for malformed text, bad
/// UTF-8, a key that appears twice in one object, and nesting beyond `max_depth`. Numbers without fraction or exponent
/// stay integers while 64 bits hold them.
json parse_json(std::string_view text, std::string_view where, std::size_t max_depth = json_max_depth,
                json_numbers numbers = json_numbers::strict);

/// Reads and parses a JSON file of at most `max_bytes`, with Python's numbers.
json read_json(const std::filesystem::path& path, std::size_t max_bytes = std::size_t{100} << 20);

namespace detail {

template <class T>
inline constexpr bool is_vector = false;
template <class T>
inline constexpr bool is_vector<std::vector<T>> = true;

[[noreturn]] void json_mismatch(const json& value, std::string_view where, std::string_view path, std::string expected);

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
const json* find_member(const json& object, std::string_view key, std::string_view where = "JSON");

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
  if (value == nullptr) throw format_error(std::string(where), detail::joined("'", key, "' is missing"));
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
void append_python_float(std::string& out, double value);
/// A JSON string literal as json.dumps writes it. Throws format_error where the text is not UTF-8.
void append_json_string(std::string& out, std::string_view text, bool ensure_ascii);

}  // namespace detail

/// JSON text as Python's json.dumps writes it; by default as Transformers writes config.json (indent=2, sort_keys=True,
/// a newline at the end). Throws format_error for a string that is not UTF-8.
std::string dump(const json& value, const dump_options& options = {});

#if HFT_DEFINES(MODELS)

namespace detail {

HFT_INLINE std::string describe(const json& value) {
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
    case json::value_t::number_float: {
      std::string out;
      append_python_float(out, value.get<double>());  // 7.0, which is no integer
      return out;
    }
    case json::value_t::array:
      return cat("an array of ", value.size());
    default:
      return cat("an object of ", value.size());
  }
}

/// A strict parser (RFC 8259) of text that is known to be UTF-8. It keeps the containers it is in, so that an error can
/// name the path.
class json_parser {
 public:
  json_parser(std::string_view text, std::string_view where, std::size_t max_depth, json_numbers numbers)
      : text_(text), where_(where), max_depth_(max_depth), numbers_(numbers) {}

  json document() {
    json root;
    read(root);
    skip_space();
    if (at_ != text_.size()) fail("expected the end of the document");
    return root;
  }

 private:
  void read(json& out) {
    skip_space();
    switch (peek()) {
      case '{':
        return read_object(out);
      case '[':
        return read_array(out);
      case '"': {
        std::string text;
        read_string(text);
        out = std::move(text);
        return;
      }
      case 't':
        return read_word("true", out, true);
      case 'f':
        return read_word("false", out, false);
      case 'n':
        return read_word("null", out, nullptr);
      default:
        return read_number(out);
    }
  }

  void read_object(json& out) {
    enter(out, json::object());
    auto& members = out.get_ref<json::object_t&>();
    if (!next_is('}')) {
      do {
        skip_space();
        if (peek() != '"') fail("expected a key");
        std::string key;
        read_string(key);
        skip_space();
        if (!take(':')) fail("expected ':'");
        // Not by operator[], which would search for the key each time: duplicates are found at the object's end.
        members.emplace_back(std::move(key), json());
        read(members.back().second);
        skip_space();
      } while (take(','));
      if (!take('}')) fail("expected ',' or '}'");
    }
    check_keys(members);
    open_.pop_back();
  }

  void read_array(json& out) {
    enter(out, json::array());
    auto& elements = out.get_ref<json::array_t&>();
    if (!next_is(']')) {
      do {
        json element;
        read(element);
        elements.push_back(std::move(element));
        skip_space();
      } while (take(','));
      if (!take(']')) fail("expected ',' or ']'");
    }
    open_.pop_back();
  }

  void read_word(std::string_view word, json& out, json value) {
    if (text_.substr(at_, word.size()) != word) fail("expected a value");
    at_ += word.size();
    out = std::move(value);
  }

  void read_number(json& out) {
    const std::size_t begin = at_;
    const bool negative = take('-');
    if (numbers_ == json_numbers::python) {
      constexpr double infinity = std::numeric_limits<double>::infinity();
      if (peek() == 'I') return read_word("Infinity", out, negative ? -infinity : infinity);
      if (peek() == 'N' && !negative) return read_word("NaN", out, std::numeric_limits<double>::quiet_NaN());
    }
    if (!take('0') && !digits()) fail(negative ? "expected a digit" : "expected a value");
    bool integer = true;
    if (take('.')) {
      integer = false;
      if (!digits()) fail("expected a digit");
    }
    if (peek() == 'e' || peek() == 'E') {
      integer = false;
      ++at_;
      if (!take('+')) take('-');
      if (!digits()) fail("expected a digit");
    }
    const char *first = text_.data() + begin, *last = text_.data() + at_;
    if (integer && negative) {
      std::int64_t n;
      if (std::from_chars(first, last, n).ec == std::errc()) return void(out = n);
    } else if (integer) {
      std::uint64_t n;
      if (std::from_chars(first, last, n).ec == std::errc()) return void(out = n);
    }
    double x = 0;
    if (std::from_chars(first, last, x).ec != std::errc()) {  // beyond double: infinite, or next to nothing
      x = 0;
      if (magnitude(text_.substr(begin, at_ - begin)) > 0) {
        if (numbers_ == json_numbers::strict) fail("expected a number that a double holds");
        x = std::numeric_limits<double>::infinity();
      }
      if (negative) x = -x;
    }
    out = x;
  }
  // About log10 of a number's absolute value.
  static long magnitude(std::string_view number) {
    const auto e = number.find_first_of("eE");
    const std::string_view digits = number.substr(0, e);
    const auto first = digits.find_first_of("123456789");
    const auto point = std::min(digits.find('.'), digits.size());
    long exponent = 0;
    if (e != number.npos) {
      const bool plus = number[e + 1] == '+';
      const auto end = number.data() + number.size();
      if (std::from_chars(number.data() + e + 1 + plus, end, exponent).ec != std::errc())
        exponent = number[e + 1] == '-' ? -1'000'000'000 : 1'000'000'000;
    }
    return first == digits.npos ? -1 : exponent + long(point) - long(first);
  }

  void read_string(std::string& out) {
    const std::size_t begin = at_++;
    for (;;) {
      const std::size_t plain = at_;
      while (at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\\' &&
             static_cast<unsigned char>(text_[at_]) >= 0x20)
        ++at_;
      out.append(text_, plain, at_ - plain);
      if (at_ == text_.size()) {
        at_ = begin;
        fail("the string that begins here has no end");
      }
      const char c = text_[at_];
      if (c != '"' && c != '\\') fail("control characters in a string are written as \\uXXXX");
      ++at_;
      if (c == '"') return;
      read_escape(out);
    }
  }
  void read_escape(std::string& out) {
    constexpr std::string_view letters = "\"\\/bfnrt", meaning = "\"\\/\b\f\n\r\t";
    const char c = peek();
    if (const auto i = letters.find(c); c != 0 && i != letters.npos) {
      ++at_;
      out += meaning[i];
      return;
    }
    if (!take('u')) fail("expected an escape");
    char32_t code = hex4();
    if (code >= 0xdc00 && code < 0xe000) fail("expected the first half of a surrogate pair before its second");
    if (code >= 0xd800 && code < 0xdc00) {
      const char32_t low = take('\\') && take('u') ? hex4() : 0;
      if (low < 0xdc00 || low >= 0xe000) fail("expected the second half of a surrogate pair");
      code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    append_utf8(out, code);
  }
  char32_t hex4() {
    unsigned value = 0;
    const auto digits = text_.substr(at_, 4);
    const auto end = digits.data() + digits.size();
    if (digits.size() != 4 || std::from_chars(digits.data(), end, value, 16).ptr != end || digits[0] == '-')
      fail("expected four hexadecimal digits");
    at_ += 4;
    return value;
  }

  void enter(json& out, json container) {
    if (open_.size() >= max_depth_)
      throw format_error(where_, "JSON is nested too deeply in " + quote_text(path({})),
                         joined("at most ", max_depth_, " levels"));
    ++at_;
    out = std::move(container);
    open_.push_back(&out);
  }
  void check_keys(const json::object_t& members) {
    std::vector<std::string_view> names;
    names.reserve(members.size());
    for (const auto& m : members) names.push_back(m.first);
    sort_names(names);
    const auto twice = std::adjacent_find(names.begin(), names.end());
    if (twice != names.end())
      throw format_error(where_, "JSON key " + quote_text(path(std::string(*twice))) + " appears twice");
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char c) {
    if (at_ == text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool next_is(char c) {
    skip_space();
    return take(c);
  }
  bool digits() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9') ++at_;
    return at_ != begin;
  }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t'))
      ++at_;
  }

  [[noreturn, gnu::cold, gnu::noinline]] void fail(std::string_view expected) const {
    const auto before = text_.substr(0, at_);
    const auto line_start = before.rfind('\n') + 1;  // npos + 1 is 0
    const std::string inside = path({});
    throw format_error(where_,
                       joined("malformed JSON at line ", 1 + std::count(before.begin(), before.end(), '\n'),
                              ", column ", before.size() - line_start + 1, " (byte ", at_, ")",
                              inside.empty() ? "" : " in " + quote_text(inside), ": ", expected),
                       "", at_ == text_.size() ? "the end of the text" : quote_text(text_.substr(at_, 1)));
  }
  // The path of what was read last: the last member of each open container, then `last`.
  std::string path(std::string_view last) const {
    std::string out;
    for (std::size_t i = 0; i < open_.size(); ++i) {
      const json& container = *open_[i];
      // The innermost container's current member is named by the caller, if at all.
      if (i + 1 == open_.size() && !last.empty()) break;
      if (container.is_array()) {
        // An element that is still open is not in its array yet.
        const bool innermost = i + 1 == open_.size();
        if (innermost && container.empty()) break;
        out += cat("[", container.size() - innermost, "]");
      } else if (!container.empty()) {
        out += cat(out.empty() ? "" : ".", container.get_ref<const json::object_t&>().back().first);
      }
    }
    if (!last.empty()) out += cat(out.empty() ? "" : ".", last);
    return out;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string where_;
  std::size_t max_depth_;
  json_numbers numbers_;
  std::vector<const json*> open_;
};

HFT_INLINE void json_mismatch(const json& value, std::string_view where, std::string_view path, std::string expected) {
  throw format_error(std::string(where), path.empty() ? std::string() : quote_text(path), std::move(expected),
                     describe(value));
}

HFT_INLINE void append_python_float(std::string& out, double value) {
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

HFT_INLINE void append_json_string(std::string& out, std::string_view text, bool ensure_ascii) {
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
      const auto& members = value.get_ref<const json::object_t&>();
      const auto order = sorted_positions(members.size(), [&](std::size_t a, std::size_t b) {
        return options.sort_keys && members[a].first < members[b].first;  // UTF-8 sorts as its code points do
      });
      out += '{';
      bool first = true;
      for (const std::size_t i : order) {
        separator(first);
        append_json_string(out, members[i].first, options.ensure_ascii);
        out += ": ";
        append_json(out, members[i].second, options, level + 1);
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

HFT_INLINE json parse_json(std::string_view text, std::string_view where, std::size_t max_depth, json_numbers numbers) {
  detail::refuse_web_page(text, where);
  if (const auto bad = detail::find_invalid_utf8(text); bad != text.npos)
    throw format_error(
        std::string(where),
        detail::joined("invalid UTF-8 in JSON at line ",
                       1 + std::count(text.begin(), text.begin() + std::ptrdiff_t(bad), '\n'), ", byte ", bad),
        "", detail::quote_text(text.substr(bad, 4)));
  return detail::json_parser(text, where, max_depth, numbers).document();
}

HFT_INLINE json json::parse(std::string_view text) { return parse_json(text, "JSON"); }

HFT_INLINE json read_json(const std::filesystem::path& path, std::size_t max_bytes) {
  return parse_json(read_text(path, max_bytes), path.string(), json_max_depth, json_numbers::python);
}

HFT_INLINE const json* find_member(const json& object, std::string_view key, std::string_view where) {
  if (!object.is_object()) detail::json_mismatch(object, where, "", detail::cat("an object with the key '", key, "'"));
  for (const auto& [name, value] : object.get_ref<const json::object_t&>())
    if (name == key) return value.is_null() ? nullptr : &value;
  return nullptr;
}

HFT_INLINE std::string dump(const json& value, const dump_options& options) {
  std::string out;
  detail::append_json(out, value, options, 0);
  if (options.trailing_newline) out += '\n';
  return out;
}

HFT_INLINE std::string json::dump() const {
  return hft::dump(*this, {.indent = -1, .sort_keys = false, .ensure_ascii = false, .trailing_newline = false});
}

#endif  // HFT_DEFINES

}  // namespace hft
