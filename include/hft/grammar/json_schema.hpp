// JSON schemas as grammars: the JSON texts of values that a schema admits.
#pragma once
#include <string>
#include <string_view>
#include <type_traits>

#include <hft/grammar/grammar.hpp>
#include <hft/io/json.hpp>
#include <hft/linkage.hpp>
#if HFT_DEFINES(TEXT)
#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include <hft/grammar/regex.hpp>
#include <hft/grammar/text_reader.hpp>
#endif

namespace hft {

/// Spaces of the JSON that is written.
enum class JsonWhitespace {
  none,       // {"a":1,"b":[]}
  one_space,  // or {"a": 1, "b": []}: behind ':' and ',' there may be one, as models mostly write it (and outlines
              // asks)
};

/// The texts whose values a schema of draft 7 to 2020-12 admits. Every text validates; not every valid text is allowed:
///   properties come in the order of `properties`, those that are not required may be left out; others only where
///     additionalProperties is written down, or there are no properties at all
///   prefixItems (or `items` as an array) are all of an array where there is no other `items`
///   a schema without `type` is one of the types that its keywords speak of
///   oneOf is read as anyOf; numbers have at most 16 digits before the point and behind it; no string has `\u` of a
///     surrogate
/// References are of the same document (`#`, `#/$defs/...`), and may be recursive. Of `format` are read date, time,
/// date-time, duration, email, hostname, ipv4, ipv6, uri and uuid.
/// Throws format_error for what is no schema and for a reference to nothing, unsupported_error for keywords that are
/// not read (not, if, patternProperties, uniqueItems, contains, dependent..., unevaluated..., a multipleOf beside
/// bounds, ...), both with the path; value_error beyond the limits of Grammar. That no value satisfies a schema
/// GrammarAutomaton says.
///   schema  JSON text, where what is no JSON is a format_error, too, or json
template <class Schema>
Grammar grammar_from_json_schema(const Schema& schema, JsonWhitespace whitespace = JsonWhitespace::one_space,
                                 const std::string& where = "schema");

namespace grammars {
Grammar read_json_schema(const json& schema, JsonWhitespace whitespace, const std::string& where);
}

// A template, since text converts to json, too.
template <class Schema>
Grammar grammar_from_json_schema(const Schema& schema, JsonWhitespace whitespace, const std::string& where) {
  if constexpr (std::is_same_v<Schema, json>)
    return grammars::read_json_schema(schema, whitespace, where);
  else
    return grammars::read_json_schema(parse_json(schema, where), whitespace, where);
}

#if HFT_DEFINES(TEXT)

namespace grammars {

/// A decimal number as its digits.
struct decimal {
  bool negative = false;
  std::string whole = "0", fraction{};  // without zeros before and behind

  static decimal of(const json& number) {
    std::string text = number.is_number_unsigned()  ? detail::cat(number.get<std::uint64_t>())
                       : number.is_number_integer() ? detail::cat(number.get<std::int64_t>())
                                                    : fixed(number.get<double>());
    decimal d;
    d.negative = text[0] == '-';
    text.erase(0, std::size_t(d.negative));
    const std::size_t point = text.find('.');
    d.whole = text.substr(0, point);
    if (point != std::string::npos) d.fraction = text.substr(point + 1);
    while (!d.fraction.empty() && d.fraction.back() == '0') d.fraction.pop_back();
    if (d.zero()) d.negative = false;
    return d;
  }
  static std::string fixed(double value) {
    char buffer[400];
    const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed).ptr;
    return {buffer, end};
  }
  bool zero() const { return whole == "0" && fraction.empty(); }
  /// Of numbers without sign: the difference's sign.
  static int compare(const decimal& a, const decimal& b) {
    if (a.whole.size() != b.whole.size()) return a.whole.size() < b.whole.size() ? -1 : 1;
    const int order = a.whole.compare(b.whole);
    return order != 0 ? order : a.fraction.compare(b.fraction);
  }
};
inline std::string plus_one(std::string digits) {
  std::size_t i = digits.size();
  while (i > 0 && digits[i - 1] == '9') digits[--i] = '0';
  if (i == 0) return "1" + digits;
  ++digits[i - 1];
  return digits;
}
/// Of digits that are not zero.
inline std::string minus_one(std::string digits) {
  std::size_t i = digits.size();
  while (digits[i - 1] == '0') digits[--i] = '9';
  --digits[i - 1];
  if (digits.size() > 1 && digits[0] == '0') digits.erase(0, 1);
  return digits;
}

/// Numbers between bounds, as JSON writes them.
class number_ranges {
 public:
  using Expression = Grammar::Expression;
  struct bound {
    decimal value;
    bool strict = false;  // the bound itself is out
  };

  explicit number_ranges(Grammar& grammar) : g_(grammar) {}

  Expression operator()(const std::optional<bound>& low, const std::optional<bound>& high, bool integers) {
    std::vector<Expression> ways;
    const bound zero{};
    if (!high || !high->value.negative)
      ways.push_back(magnitudes(low && !low->value.negative ? *low : zero, high, integers));
    if (!low || low->value.negative) {
      const bound least = high && high->value.negative ? *high : bound{{}, true};
      ways.push_back(g_.sequence({g_.text("-"), magnitudes(least, low, integers)}));
    }
    return g_.choice(std::move(ways));
  }

 private:
  static constexpr std::uint32_t most_digits = 16;

  Expression digits(char first, char last) {
    if (first > last) return g_.nothing();
    return g_.chars(CodePoints{{char32_t(first), char32_t(last)}});
  }
  Expression any_digits(std::uint32_t min, std::uint32_t max) { return g_.repeat(digits('0', '9'), min, max); }

  Expression magnitudes(bound low, std::optional<bound> high, bool integers) {
    low.value.negative = false;
    if (high) high->value.negative = false;
    if (integers) {
      std::string least = low.value.whole;
      if (!low.value.fraction.empty() || low.strict) least = plus_one(least);
      std::optional<std::string> most;
      if (high) {
        most = high->value.whole;
        if (high->value.fraction.empty() && high->strict) {
          if (*most == "0") return g_.nothing();
          most = minus_one(*most);
        }
      }
      return wholes(least, most);
    }
    const std::string &a = low.value.whole, &af = low.value.fraction;
    if (!high)
      return g_.choice({g_.sequence({g_.text(a), fraction(&af, low.strict, nullptr, false)}),
                        g_.sequence({wholes(plus_one(a), {}), fraction(nullptr, false, nullptr, false)})});
    const std::string &b = high->value.whole, &bf = high->value.fraction;
    const int order = decimal::compare(low.value, high->value);
    if (order > 0 || (order == 0 && (low.strict || high->strict))) return g_.nothing();
    if (a == b) return g_.sequence({g_.text(a), fraction(&af, low.strict, &bf, high->strict)});
    return g_.choice({g_.sequence({g_.text(a), fraction(&af, low.strict, nullptr, false)}),
                      g_.sequence({wholes(plus_one(a), minus_one(b)), fraction(nullptr, false, nullptr, false)}),
                      g_.sequence({g_.text(b), fraction(nullptr, false, &bf, high->strict)})});
  }

  /// From one number to another; they have no zeros before them.
  Expression wholes(const std::string& low, const std::optional<std::string>& high) {
    const auto nines = [](std::size_t n) { return std::string(n, '9'); };
    if (!high) {
      const std::size_t most = std::max<std::size_t>(most_digits, low.size() + 1);
      return wholes(low, nines(most));
    }
    if (low.size() > high->size() || (low.size() == high->size() && low > *high)) return g_.nothing();
    if (low.size() == high->size()) return between(low, *high);
    std::vector<Expression> ways{between(low, nines(low.size()))};
    if (low.size() + 1 < high->size())
      ways.push_back(
          g_.sequence({digits('1', '9'), any_digits(std::uint32_t(low.size()), std::uint32_t(high->size() - 2))}));
    ways.push_back(between("1" + std::string(high->size() - 1, '0'), *high));
    return g_.choice(std::move(ways));
  }
  /// The same of equally many digits.
  Expression between(std::string_view low, std::string_view high) {
    if (low.empty()) return g_.text("");
    const auto rest = std::uint32_t(low.size() - 1);
    if (low[0] == high[0]) return g_.sequence({g_.text(low.substr(0, 1)), between(low.substr(1), high.substr(1))});
    return g_.choice({g_.sequence({g_.text(low.substr(0, 1)), between(low.substr(1), std::string(rest, '9'))}),
                      g_.sequence({digits(char(low[0] + 1), char(high[0] - 1)), any_digits(rest, rest)}),
                      g_.sequence({g_.text(high.substr(0, 1)), between(std::string(rest, '0'), high.substr(1))})});
  }

  // What stands behind the point, with the point, or nothing where 0 is between the bounds. Null: no bound.
  Expression fraction(const std::string* low, bool low_strict, const std::string* high, bool high_strict) {
    low_ = low, high_ = high, low_strict_ = low_strict, high_strict_ = high_strict;
    return behind_point(0, low != nullptr, high != nullptr, true);
  }
  /// From digit i on, where the digits before are those of the bounds that still hold.
  Expression behind_point(std::size_t i, bool low, bool high, bool with_point = false) {
    const auto zeros = [&] { return g_.repeat(g_.text("0"), 0, most_digits); };
    const auto written = [&](Expression digits) { return with_point ? g_.sequence({g_.text("."), digits}) : digits; };
    low = low && (i < low_->size() || low_strict_);
    const bool low_ends = low && i >= low_->size(), high_ends = high && i >= high_->size();
    if (!low && !high)
      return with_point ? g_.optional(written(any_digits(1, most_digits))) : any_digits(0, most_digits);
    if (high_ends) {  // no more than zeros
      if (low || high_strict_) return g_.nothing();
      return with_point ? g_.optional(written(g_.repeat(g_.text("0"), 1, most_digits))) : zeros();
    }
    if (low_ends && !high) return written(g_.sequence({zeros(), digits('1', '9'), any_digits(0, most_digits)}));
    std::vector<Expression> ways;
    const char a = low ? (low_ends ? '0' : (*low_)[i]) : '0', b = high ? (*high_)[i] : '9';
    const auto then = [&](char first, char last, Expression rest) {
      if (first <= last) ways.push_back(written(g_.sequence({digits(first, last), rest})));
    };
    if (low && high && a == b) {
      then(a, a, behind_point(i + 1, true, true));
    } else if (!low || !high || a < b) {
      if (low) then(a, a, behind_point(i + 1, true, false));
      then(low ? char(a + 1) : '0', high ? char(b - 1) : '9', any_digits(0, most_digits));
      if (high) then(b, b, behind_point(i + 1, false, true));
    }
    if (!low) ways.push_back(g_.text(""));
    return g_.choice(std::move(ways));
  }

  Grammar& g_;
  const std::string *low_ = nullptr, *high_ = nullptr;
  bool low_strict_ = false, high_strict_ = false;
};

class json_schema_reader {
 public:
  using Expression = Grammar::Expression;

  json_schema_reader(const json& root, JsonWhitespace whitespace, const std::string& where)
      : root_(root), g_(where), where_(where), whitespace_(whitespace) {}

  Grammar read() {
    const auto root = g_.declare("#");
    references_.emplace("#", root);
    g_.define(root, schema(root_, "#"));
    g_.set_root(root);
    if (g_.contradiction.empty()) g_.contradiction = "schema";
    g_.check();
    return std::move(g_);
  }

 private:
  static constexpr int max_nesting = 200;
  static constexpr std::size_t max_ways = 1024;

  // ---- what JSON is made of

  Expression space() { return whitespace_ == JsonWhitespace::none ? g_.text("") : g_.optional(g_.text(" ")); }
  Expression comma() { return g_.sequence({g_.text(","), space()}); }
  Expression colon() { return g_.sequence({g_.text(":"), space()}); }

  static CodePoints plain() {
    static const CodePoints set = CodePoints{{0, 0x1f}, {'"', '"'}, {'\\', '\\'}, {0x7f, 0x7f}}.complement();
    return set;
  }
  static std::string escaped(char32_t c) {
    switch (c) {
      case '"':
        return "\\\"";
      case '\\':
        return "\\\\";
      case '\n':
        return "\\n";
      case '\r':
        return "\\r";
      case '\t':
        return "\\t";
      case '\b':
        return "\\b";
      case '\f':
        return "\\f";
      default:
        break;
    }
    static constexpr char hex[] = "0123456789abcdef";
    return {'\\', 'u', '0', '0', hex[c >> 4 & 15], hex[c & 15]};
  }
  /// The characters of a set within a string.
  Expression in_string(const CodePoints& set) {
    std::vector<Expression> ways;
    if (const CodePoints as_they_are = set & plain(); !as_they_are.empty()) ways.push_back(g_.chars(as_they_are));
    const CodePoints others = set - plain();
    for (const auto& r : others.ranges())
      for (char32_t c = r.first; c <= r.last; ++c) ways.push_back(g_.text(escaped(c)));
    return g_.choice(std::move(ways));
  }
  Expression any_character() {
    return rule("character", [&] {
      const auto hex = g_.chars(CodePoints{{'0', '9'}, {'A', 'F'}, {'a', 'f'}});
      const auto no_surrogate =
          g_.choice({g_.sequence({g_.chars(CodePoints{{'0', '9'}, {'A', 'C'}, {'E', 'F'}, {'a', 'c'}, {'e', 'f'}}),
                                  g_.repeat(hex, 3, 3)}),
                     g_.sequence({g_.chars(CodePoints{{'D', 'D'}, {'d', 'd'}}), g_.chars(CodePoints{{'0', '7'}}),
                                  g_.repeat(hex, 2, 2)})});
      std::vector<Expression> escapes{g_.sequence({g_.text("u"), no_surrogate})};
      for (const char c : {'"', '\\', '/', 'b', 'f', 'n', 'r', 't'}) escapes.push_back(g_.text(std::string(1, c)));
      return g_.choice({g_.chars(plain()), g_.sequence({g_.text("\\"), g_.choice(std::move(escapes))})});
    });
  }
  Expression quoted(Expression inner) { return g_.sequence({g_.text("\""), inner, g_.text("\"")}); }
  static std::string string_text(std::string_view text) {
    std::string out = "\"";
    for (const char c : text)
      if (static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\' || c == 0x7f)
        out += escaped(static_cast<unsigned char>(c));
      else
        out += c;
    return out += "\"";
  }
  template <class Make>
  Expression rule(const std::string& name, Make make) {
    const auto known = named_.find(name);
    if (known != named_.end()) return g_.reference(known->second);
    const auto r = g_.declare(name);
    named_.emplace(name, r);
    g_.define(r, make());
    return g_.reference(r);
  }
  Expression any_string() {
    return rule("string", [&] { return quoted(g_.repeat(any_character(), 0, Grammar::unlimited)); });
  }
  Expression any_integer() {
    return rule("integer", [&] {
      const auto digit = g_.chars(CodePoints{{'0', '9'}});
      return g_.choice({g_.text("0"), g_.sequence({g_.optional(g_.text("-")), g_.chars(CodePoints{{'1', '9'}}),
                                                   g_.repeat(digit, 0, 15)})});
    });
  }
  Expression any_number() {
    return rule("number", [&] {
      const auto digit = g_.chars(CodePoints{{'0', '9'}});
      const auto exponent =
          g_.sequence({g_.chars(CodePoints{{'E', 'E'}, {'e', 'e'}}),
                       g_.optional(g_.chars(CodePoints{{'+', '+'}, {'-', '-'}})), g_.repeat(digit, 1, 2)});
      return g_.sequence(
          {g_.optional(g_.text("-")),
           g_.choice({g_.text("0"), g_.sequence({g_.chars(CodePoints{{'1', '9'}}), g_.repeat(digit, 0, 15)})}),
           g_.optional(g_.sequence({g_.text("."), g_.repeat(digit, 1, 16)})), g_.optional(exponent)});
    });
  }
  Expression listed(std::string_view open, Expression inner, std::string_view close) {
    return g_.sequence({g_.text(open), inner, g_.text(close)});
  }
  /// From min to max elements, with commas between them.
  Expression elements(Expression element, std::uint32_t min, std::uint32_t max) {
    if (max == 0) return min == 0 ? g_.text("") : g_.nothing();
    const auto more = max == Grammar::unlimited ? max : max - 1;
    const auto some = g_.sequence({element, g_.repeat(g_.sequence({comma(), element}), min > 0 ? min - 1 : 0, more)});
    return min == 0 ? g_.optional(some) : some;
  }
  Expression any_value() {
    return rule("value", [&] {
      return g_.choice(
          {any_object(), any_array(), any_string(), any_number(), g_.text("true"), g_.text("false"), g_.text("null")});
    });
  }
  Expression any_array() {
    return rule("array", [&] { return listed("[", elements(any_value(), 0, Grammar::unlimited), "]"); });
  }
  Expression any_object() {
    return rule("object", [&] {
      return listed("{", elements(g_.sequence({any_string(), colon(), any_value()}), 0, Grammar::unlimited), "}");
    });
  }
  /// A value as it is written.
  Expression literal(const json& value) {
    if (value.is_string()) return g_.text(string_text(value.get_ref<const std::string&>()));
    std::vector<Expression> parts;
    if (value.is_array()) {
      for (const json& e : value) {
        if (!parts.empty()) parts.push_back(comma());
        parts.push_back(literal(e));
      }
      return listed("[", g_.sequence(std::move(parts)), "]");
    }
    if (value.is_object()) {
      for (auto m = value.begin(); m != value.end(); ++m) {
        if (!parts.empty()) parts.push_back(comma());
        parts.push_back(g_.text(string_text(m.key())));
        parts.push_back(colon());
        parts.push_back(literal(*m));
      }
      return listed("{", g_.sequence(std::move(parts)), "}");
    }
    return g_.text(value.dump());
  }

  // ---- schemas

  [[noreturn]] void wrong(const std::string& path, std::string_view what, std::string_view expected) const {
    throw format_error(where_, detail::joined(path, ": ", what), expected);
  }
  [[noreturn]] void refuse(const std::string& path, std::string_view keyword) const {
    throw unsupported_error(where_, detail::joined(path, ": ", keyword));
  }
  /// Notes why a schema admits nothing, and gives that.
  Expression contradiction(const std::string& path, std::string_view what) {
    if (g_.contradiction.empty()) g_.contradiction = detail::cat(path, ": ", what);
    return g_.nothing();
  }

  static bool is_annotation(std::string_view key) {
    for (const char* a : {"title", "description", "default", "examples", "example", "$schema", "$id", "id", "$comment",
                          "$defs", "definitions", "deprecated", "readOnly", "writeOnly", "$anchor", "$vocabulary"})
      if (key == a) return true;
    return false;
  }
  static json without(const json& object, std::string_view key) {
    json out = object;
    out.erase(key);
    return out;
  }
  static bool restricts(const json& s) {
    if (!s.is_object()) return !s.is_boolean() || !s.get<bool>();
    for (auto m = s.begin(); m != s.end(); ++m)
      if (!is_annotation(m.key())) return true;
    return false;
  }

  const json& target(const std::string& reference, const std::string& path) const {
    if (reference.empty() || reference[0] != '#') refuse(path, detail::cat("$ref ", detail::quote_text(reference)));
    const json* at = &root_;
    std::string_view rest = std::string_view(reference).substr(1);
    while (at && !rest.empty()) {
      if (rest[0] != '/') refuse(path, detail::cat("$ref ", detail::quote_text(reference)));
      rest.remove_prefix(1);
      const std::size_t end = std::min(rest.find('/'), rest.size());
      std::string key;
      for (std::size_t i = 0; i < end; ++i) {
        const char c = rest[i];
        if (c == '~' && i + 1 < end && (rest[i + 1] == '0' || rest[i + 1] == '1')) {
          key += rest[++i] == '0' ? '~' : '/';
        } else if (c == '%' && i + 2 < end && hex_digit(rest[i + 1]) >= 0 && hex_digit(rest[i + 2]) >= 0) {
          key += char(hex_digit(rest[i + 1]) * 16 + hex_digit(rest[i + 2]));
          i += 2;
        } else {
          key += c;
        }
      }
      rest.remove_prefix(end);
      if (at->is_array()) {
        std::size_t index = 0;
        bool number = !key.empty() && key.size() < 7;
        for (const char c : key) number = number && c >= '0' && c <= '9', index = index * 10 + std::size_t(c - '0');
        at = number && index < at->size() ? &at->at(index) : nullptr;
      } else {
        at = at->contains(key) ? &at->at(key) : nullptr;
      }
    }
    if (!at)
      throw format_error(where_, detail::joined(path, ": $ref ", detail::quote_text(reference)),
                         "a schema that it leads to", "none");
    return *at;
  }

  struct deeper {
    explicit deeper(json_schema_reader& r, const std::string& path) : reader(r) {
      if (++reader.nesting_ > max_nesting)
        throw value_error(reader.where_, path.substr(0, 200),
                          detail::joined("at most ", max_nesting, " schemas within each other"), "more");
    }
    ~deeper() { --reader.nesting_; }
    json_schema_reader& reader;
  };

  Expression schema(const json& s, const std::string& path) {
    const deeper guard(*this, path);
    if (s.is_boolean()) return s.get<bool>() ? any_value() : contradiction(path, "false");
    if (!s.is_object()) wrong(path, "schema", "an object or a boolean");
    for (const char* keyword : {"not", "if", "then", "else", "dependentRequired", "dependentSchemas", "dependencies",
                                "patternProperties", "unevaluatedProperties", "unevaluatedItems", "contains",
                                "minContains", "maxContains", "$dynamicRef", "$recursiveRef"})
      if (s.contains(keyword)) refuse(path, keyword);
    if (s.contains("uniqueItems") && !(s["uniqueItems"].is_boolean() && !s["uniqueItems"].get<bool>()))
      refuse(path, "uniqueItems");
    if (s.contains("$ref")) {
      const json rest = without(s, "$ref");
      const auto reference = json_as<std::string>(s["$ref"], where_, path + "/$ref");
      if (!restricts(rest)) return referred(reference, path);
      return merged(rest, json::object({{"$ref", reference}}), path);
    }
    if (s.contains("allOf")) {
      json rest = without(s, "allOf");
      const auto& all = list(s["allOf"], path + "/allOf");
      if (all.size() == 1 && !restricts(rest)) return schema(all[0], path + "/allOf/0");
      for (std::size_t i = 0; i < all.size(); ++i) rest = merge(rest, all[i], detail::cat(path, "/allOf/", i));
      return memoised(rest, path);
    }
    for (const char* keyword : {"anyOf", "oneOf"})
      if (s.contains(keyword)) {
        const json rest = without(s, keyword);
        const bool alone = !restricts(rest);
        std::vector<Expression> ways;
        const auto& all = list(s[keyword], detail::cat(path, "/", keyword));
        for (std::size_t i = 0; i < all.size(); ++i) {
          const std::string at = detail::cat(path, "/", keyword, "/", i);
          ways.push_back(alone ? schema(all[i], at) : merged(rest, all[i], at));
        }
        return g_.choice(std::move(ways));
      }
    if (s.contains("nullable") && s["nullable"].is_boolean()) {  // OpenAPI 3.0
      const Expression value = schema(without(s, "nullable"), path);
      return s["nullable"].get<bool>() ? g_.choice({value, g_.text("null")}) : value;
    }
    if (s.contains("const") || s.contains("enum")) return one_of_values(s, path);
    return of_types(s, path);
  }

  Expression referred(const std::string& reference, const std::string& path) {
    const json& to = target(reference, path);
    const auto known = references_.find(reference);
    if (known != references_.end()) return g_.reference(known->second);
    const auto r = g_.declare(reference);
    references_.emplace(reference, r);
    g_.define(r, schema(to, reference));
    return g_.reference(r);
  }
  /// A schema that was made of others: the same one again is the same rule, as recursive ones come back.
  Expression memoised(const json& s, const std::string& path) {
    const std::string text = s.is_object() ? s.dump() : std::string();
    if (text.empty()) return schema(s, path);
    return rule("schema " + text, [&] { return schema(s, path); });
  }
  Expression merged(const json& a, const json& b, const std::string& path) { return memoised(merge(a, b, path), path); }

  const json::array_t& list(const json& value, const std::string& path) const {
    if (!value.is_array()) wrong(path, "value", "an array");
    return value.get_ref<const json::array_t&>();
  }

  /// What both admit, as one schema.
  json merge(const json& a, const json& other, const std::string& path) {
    const deeper guard(*this, path);
    if (a.is_boolean()) return a.get<bool>() ? other : a;
    if (other.is_boolean()) return other.get<bool>() ? a : other;
    if (!a.is_object() || !other.is_object()) wrong(path, "schema", "an object or a boolean");
    json b = other;
    if (b.contains("$ref")) {
      const json& to = target(json_as<std::string>(b["$ref"], where_, path + "/$ref"), path);
      return merge(merge(a, without(b, "$ref"), path), to, path);
    }
    if (b.contains("allOf")) {
      json out = merge(a, without(b, "allOf"), path);
      for (const json& part : list(b["allOf"], path + "/allOf")) out = merge(out, part, path);
      return out;
    }
    json out = a;
    closed_properties(out, b);
    for (auto m = b.begin(); m != b.end(); ++m) {
      const std::string& key = m.key();
      if (is_annotation(key)) continue;
      if (!out.contains(key)) {
        out[key] = *m;
        continue;
      }
      json& mine = out[key];
      if (mine == *m) continue;
      const auto number = [&](bool larger) {
        if (!mine.is_number() || !m->is_number()) wrong(detail::cat(path, "/", key), "value", "a number");
        if ((mine.get<double>() < m->get<double>()) == larger) mine = *m;
      };
      if (key == "type") {
        mine = common_types(mine, *m);
      } else if (key == "enum") {
        json both = json::array();
        for (const json& v : list(mine, path))
          for (const json& w : list(*m, path))
            if (v == w) both.push_back(v);
        mine = both;
      } else if (key == "const") {
        return json(false);
      } else if (key == "properties") {
        if (!mine.is_object() || !m->is_object()) wrong(detail::cat(path, "/properties"), "value", "an object");
        for (auto p = m->begin(); p != m->end(); ++p) mine[p.key()] = both_of(mine, p.key(), *p);
      } else if (key == "required") {
        for (const json& name : list(*m, path)) mine.push_back(name);
      } else if (key == "items" || key == "additionalProperties" || key == "propertyNames") {
        mine = json::object({{"allOf", json::array({mine, *m})}});
      } else if (key == "anyOf" || key == "oneOf") {
        json both = json::array();
        for (const json& v : list(mine, path))
          for (const json& w : list(*m, path)) {
            if (both.size() == max_ways) refuse(path, detail::cat(key, " of more than ", max_ways, " ways together"));
            both.push_back(json::object({{"allOf", json::array({v, w})}}));
          }
        mine = both;
      } else if (key == "minimum" || key == "exclusiveMinimum" || key == "minLength" || key == "minItems" ||
                 key == "minProperties") {
        number(true);
      } else if (key == "maximum" || key == "exclusiveMaximum" || key == "maxLength" || key == "maxItems" ||
                 key == "maxProperties") {
        number(false);
      } else {
        refuse(path, detail::cat(key, " twice"));
      }
    }
    return out;
  }
  static json both_of(const json& object, const std::string& key, const json& value) {
    return object.contains(key) ? json::object({{"allOf", json::array({object[key], value})}}) : value;
  }
  /// What one schema says of properties that it does not name holds for those that the other names.
  static void closed_properties(json& a, json& b) {
    const auto demand = [](const json& from, json& of) {
      if (!from.contains("additionalProperties") || !of.contains("properties") || !of["properties"].is_object()) return;
      json& properties = of["properties"];
      for (auto p = properties.begin(); p != properties.end(); ++p)
        if (!from.contains("properties") || !from["properties"].contains(p.key()))
          *p = json::object({{"allOf", json::array({*p, from["additionalProperties"]})}});
    };
    const json before = a;
    demand(b, a);
    demand(before, b);
  }
  json common_types(const json& a, const json& b) const {
    const auto types = [](const json& t) { return t.is_array() ? t : json::array({t}); };
    json out = json::array();
    for (const json& x : types(a))
      for (const json& y : types(b)) {
        if (x == y)
          out.push_back(x);
        else if ((x == json("number") && y == json("integer")) || (x == json("integer") && y == json("number")))
          out.push_back("integer");
      }
    return out;
  }

  Expression of_types(const json& s, const std::string& path) {
    std::vector<std::string> types;
    if (s.contains("type")) {
      if (s["type"].is_array())
        types = json_as<std::vector<std::string>>(s["type"], where_, path + "/type");
      else
        types.push_back(json_as<std::string>(s["type"], where_, path + "/type"));
      if (types.empty()) return contradiction(path, "type");
    } else {
      const auto speaks = [&](std::initializer_list<const char*> keywords) {
        for (const char* k : keywords)
          if (s.contains(k)) return true;
        return false;
      };
      if (speaks({"properties", "required", "additionalProperties", "propertyNames", "minProperties", "maxProperties"}))
        types.push_back("object");
      if (speaks({"items", "prefixItems", "minItems", "maxItems"})) types.push_back("array");
      if (speaks({"minLength", "maxLength", "pattern", "format"})) types.push_back("string");
      if (speaks({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}))
        types.push_back("number");
      if (types.empty()) return any_value();
    }
    std::vector<Expression> ways;
    for (const auto& t : types) {
      if (t == "null")
        ways.push_back(g_.text("null"));
      else if (t == "boolean")
        ways.push_back(g_.choice({g_.text("true"), g_.text("false")}));
      else if (t == "integer" || t == "number")
        ways.push_back(number(s, path, t == "integer"));
      else if (t == "string")
        ways.push_back(string(s, path));
      else if (t == "array")
        ways.push_back(array(s, path));
      else if (t == "object")
        ways.push_back(object(s, path));
      else
        wrong(path + "/type", detail::quote_text(t), "a type of JSON");
    }
    return g_.choice(std::move(ways));
  }

  // ---- values

  Expression one_of_values(const json& s, const std::string& path) {
    std::vector<json> values;
    if (s.contains("enum")) values = list(s["enum"], path + "/enum");
    if (s.contains("const")) {
      const json& only = s["const"];
      if (!s.contains("enum") || std::find(values.begin(), values.end(), only) != values.end())
        values = {only};
      else
        values.clear();
    }
    std::vector<Expression> ways;
    for (const json& v : values)
      if (fits(s, v, path)) ways.push_back(literal(v));
    if (ways.empty()) return contradiction(path, "enum or const");
    return g_.choice(std::move(ways));
  }
  /// Whether a value is what the other keywords beside enum and const say.
  bool fits(const json& s, const json& v, const std::string& path) const {
    for (auto m = s.begin(); m != s.end(); ++m) {
      const std::string& key = m.key();
      if (is_annotation(key) || key == "enum" || key == "const") continue;
      const auto compare = [&](auto ok) {
        if (!m->is_number()) wrong(detail::cat(path, "/", key), "value", "a number");
        return !v.is_number() || ok(v.get<double>(), m->get<double>());
      };
      const auto length = [&](auto ok) {
        if (!m->is_number()) wrong(detail::cat(path, "/", key), "value", "a number");
        if (!v.is_string()) return true;
        double n = 0;
        for (const char c : v.get_ref<const std::string&>()) n += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
        return ok(n, m->get<double>());
      };
      const auto less = [](double a, double b) { return a < b; };
      const auto at_most = [](double a, double b) { return a <= b; };
      const auto more = [](double a, double b) { return a > b; };
      const auto at_least = [](double a, double b) { return a >= b; };
      bool ok = true;
      if (key == "type") {
        ok = false;
        for (const json& t : m->is_array() ? *m : json::array({*m}))
          ok = ok || is_type(v, json_as<std::string>(t, where_, path + "/type"));
      } else if (key == "minimum") {
        ok = compare(at_least);
      } else if (key == "maximum") {
        ok = compare(at_most);
      } else if (key == "exclusiveMinimum") {
        ok = compare(more);
      } else if (key == "exclusiveMaximum") {
        ok = compare(less);
      } else if (key == "minLength") {
        ok = length(at_least);
      } else if (key == "maxLength") {
        ok = length(at_most);
      } else if (key == "pattern" || key == "format" || key == "properties" || key == "required" || key == "items" ||
                 key == "prefixItems" || key == "additionalProperties" || key == "minItems" || key == "maxItems" ||
                 key == "minProperties" || key == "maxProperties" || key == "multipleOf" || key == "propertyNames") {
        refuse(path, detail::cat(key, " beside enum or const"));
      }
      if (!ok) return false;
    }
    return true;
  }
  static bool is_type(const json& v, std::string_view t) {
    if (t == "integer")
      return v.is_number_integer() || (v.is_number() && v.get<double>() == std::floor(v.get<double>()));
    return t == "null"      ? v.is_null()
           : t == "boolean" ? v.is_boolean()
           : t == "number"  ? v.is_number()
           : t == "string"  ? v.is_string()
           : t == "array"   ? v.is_array()
                            : t == "object" && v.is_object();
  }

  // ---- numbers

  Expression number(const json& s, const std::string& path, bool integers) {
    const auto low = bound(s, path, "minimum", "exclusiveMinimum", true);
    const auto high = bound(s, path, "maximum", "exclusiveMaximum", false);
    if (s.contains("multipleOf")) {
      if (low || high) refuse(path, "multipleOf beside bounds");
      return multiples(s["multipleOf"], path + "/multipleOf", integers);
    }
    if (!low && !high) return integers ? any_integer() : any_number();
    const auto found = number_ranges(g_)(low, high, integers);
    if (low && high) {
      const double a = s.contains("minimum") ? s["minimum"].get<double>() : 0,
                   b = s.contains("maximum") ? s["maximum"].get<double>() : 0;
      if (s.contains("minimum") && s.contains("maximum") && a > b) return contradiction(path, "minimum above maximum");
    }
    return found;
  }
  std::optional<number_ranges::bound> bound(const json& s, const std::string& path, const char* loose,
                                            const char* strict, bool larger) const {
    std::optional<number_ranges::bound> out;
    const auto signed_less = [](const decimal& a, const decimal& b) {
      if (a.negative != b.negative) return a.negative;
      return a.negative ? decimal::compare(a, b) > 0 : decimal::compare(a, b) < 0;
    };
    bool old_strict = false;  // of draft 4, a boolean
    for (const char* key : {loose, strict}) {
      if (!s.contains(key)) continue;
      const json& value = s[key];
      if (key == strict && value.is_boolean()) {
        old_strict = value.get<bool>();
        continue;
      }
      if (!value.is_number()) wrong(detail::cat(path, "/", key), "value", "a number");
      number_ranges::bound b{decimal::of(value), key == strict};
      const bool tighter = !out || (larger ? !signed_less(b.value, out->value) : !signed_less(out->value, b.value));
      if (tighter) out = b;
    }
    if (out && old_strict) out->strict = true;
    return out;
  }
  Expression multiples(const json& of, const std::string& path, bool integers) {
    if (!of.is_number() || !(of.get<double>() > 0)) wrong(path, "value", "a number above 0");
    const double n = of.get<double>();
    const decimal d = decimal::of(of);
    if (n >= 1 && n <= 1000 && n == std::floor(n)) return multiples_of(std::uint32_t(n));
    const std::size_t places = d.fraction.size();
    if (d.whole == "0" && places <= 16 && d.fraction == std::string(places - 1, '0') + "1") {
      if (integers) return any_integer();
      const auto digit = g_.chars(CodePoints{{'0', '9'}});
      return g_.sequence(
          {any_integer(), g_.optional(g_.sequence({g_.text("."), g_.repeat(digit, 1, std::uint32_t(places))}))});
    }
    refuse(path, detail::cat("multipleOf ", of.dump()));
  }
  /// One rule for each remainder of the digits so far.
  Expression multiples_of(std::uint32_t n) {
    return rule(detail::cat("multiple of ", n), [&] {
      std::vector<Grammar::Rule> rest;
      for (std::uint32_t r = 0; r < n; ++r) rest.push_back(g_.declare(detail::cat("multiple of ", n, ", behind ", r)));
      const auto from = [&](std::uint32_t r, char first) {
        std::vector<Expression> ways;
        for (char d = first; d <= '9'; ++d)
          ways.push_back(
              g_.sequence({g_.text(std::string(1, d)), g_.reference(rest[(r * 10 + std::uint32_t(d - '0')) % n])}));
        return ways;
      };
      for (std::uint32_t r = 0; r < n; ++r) {
        auto ways = from(r, '0');
        if (r == 0) ways.push_back(g_.text(""));
        g_.define(rest[r], g_.choice(std::move(ways)));
      }
      return g_.choice({g_.text("0"), g_.sequence({g_.optional(g_.text("-")), g_.choice(from(0, '1'))})});
    });
  }

  // ---- strings

  std::uint32_t count(const json& s, const std::string& path, const char* key, std::uint32_t fallback) const {
    if (!s.contains(key)) return fallback;
    const json& value = s[key];
    const double n = value.is_number() ? value.get<double>() : -1;
    if (!(n >= 0) || n != std::floor(n)) wrong(detail::cat(path, "/", key), "value", "a whole number from 0");
    if (n > Grammar::max_repetitions) {
      if (std::string_view(key).starts_with("max")) return Grammar::unlimited;
      throw value_error(where_, detail::joined(path, "/", key), detail::joined("at most ", Grammar::max_repetitions),
                        value.dump());
    }
    return std::uint32_t(n);
  }

  Expression string(const json& s, const std::string& path) {
    const auto min = count(s, path, "minLength", 0), max = count(s, path, "maxLength", Grammar::unlimited);
    const bool counted = min > 0 || max != Grammar::unlimited;
    const auto matching = [&](const std::string& pattern, bool search, const std::string& at) {
      return quoted(regex_reader(g_, pattern, detail::cat(where_, ": ", at), [&](const CodePoints& set) {
                      return in_string(set);
                    }).read(search));
    };
    std::string format;
    if (s.contains("format")) format = known_format(json_as<std::string>(s["format"], where_, path + "/format"), path);
    if (s.contains("pattern")) {
      if (counted) refuse(path, "pattern beside minLength or maxLength");
      if (!format.empty()) refuse(path, "pattern beside format");
      return matching(json_as<std::string>(s["pattern"], where_, path + "/pattern"), true, path + "/pattern");
    }
    if (!format.empty()) {
      if (counted) refuse(path, "format beside minLength or maxLength");
      return matching(format, false, path + "/format");
    }
    if (min > max) return contradiction(path, "minLength above maxLength");
    return counted ? quoted(g_.repeat(any_character(), min, max)) : any_string();
  }

  /// The expression of a format; empty for one that says nothing of a text (int32, password, ...).
  std::string known_format(const std::string& name, const std::string& path) const {
    static const std::string date =
        R"([1-9]\d{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8])))";
    static const std::string time =
        R"((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,6})?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d))";
    static const std::string label = R"([A-Za-z0-9]{1,20}(?:-[A-Za-z0-9]{1,20}){0,2})";
    static const std::string host = label + "(?:\\." + label + "){0,2}";
    static const std::string path_chars = R"([A-Za-z0-9._~!$&'()*+,;=:@-])";
    if (name == "date") return date;
    if (name == "time") return time;
    if (name == "date-time") return date + "T" + time;
    if (name == "duration") {
      const std::string n = "\\d{1,6}", days = n + "D", months = n + "M(?:" + days + ")?", seconds = n + "S",
                        minutes = n + "M(?:" + seconds + ")?", hours = n + "H(?:" + minutes + ")?";
      const std::string dates = "(?:" + days + "|" + months + "|" + n + "Y(?:" + months + ")?)",
                        times = "T(?:" + seconds + "|" + minutes + "|" + hours + ")";
      return "P(?:" + n + "W|" + dates + "(?:" + times + ")?|" + times + ")";
    }
    if (name == "email")
      return "[A-Za-z0-9_+-]{1,30}(?:\\.[A-Za-z0-9_+-]{1,30})?@" + label + "\\." + label + "(?:\\." + label + ")?";
    if (name == "hostname") return host;
    if (name == "ipv4") {
      const std::string byte = R"((?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d))";
      return byte + "(?:\\." + byte + "){3}";
    }
    if (name == "ipv6") {
      const std::string h = "[0-9a-fA-F]{1,4}";
      std::string out = "(?:" + h + ":){7}" + h;
      for (int before = 0; before <= 6; ++before) {  // "::" stands for two groups or more
        out += "|" + (before ? h + "(?::" + h + "){" + std::to_string(before - 1) + "}" : std::string()) + "::";
        if (before < 6) out += "(?:" + h + "(?::" + h + "){0," + std::to_string(5 - before) + "})?";
      }
      return "(?:" + out + ")";
    }
    if (name == "uri")
      return "[a-z][a-z0-9+.-]{0,15}://" + host + "(?::\\d{1,4})?(?:/" + path_chars + "*)*(?:\\?[/?" +
             path_chars.substr(1) + "*)?(?:#[/?" + path_chars.substr(1) + "*)?";
    if (name == "uuid") return "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}";
    for (const char* other : {"idn-email", "idn-hostname", "uri-reference", "iri", "iri-reference", "uri-template",
                              "json-pointer", "relative-json-pointer", "regex"})
      if (name == other) refuse(path, detail::cat("format ", name));
    return "";
  }

  // ---- arrays

  Expression array(const json& s, const std::string& path) {
    std::vector<Expression> first;
    const bool old = s.contains("items") && s["items"].is_array();  // of draft 7
    const std::string key = old ? "items" : "prefixItems";
    if (s.contains(key)) {
      const auto& all = list(s[key], detail::cat(path, "/", key));
      for (std::size_t i = 0; i < all.size(); ++i) first.push_back(schema(all[i], detail::cat(path, "/", key, "/", i)));
    }
    const std::string more = old ? "additionalItems" : "items";
    const auto min = count(s, path, "minItems", 0);
    auto max = count(s, path, "maxItems", Grammar::unlimited);
    if (min > max) return contradiction(path, "minItems above maxItems");
    if (!s.contains(more) && !first.empty()) max = std::min(max, std::uint32_t(first.size()));
    if (max < first.size()) first.resize(max);
    const Expression item = max == first.size() ? g_.nothing()
                            : s.contains(more)  ? schema(s[more], detail::cat(path, "/", more))
                                                : any_value();
    if (first.empty()) return listed("[", elements(item, min, max), "]");
    if (min > max) return contradiction(path, "minItems above the number of items");
    const auto n = std::uint32_t(first.size());
    Expression rest =
        g_.repeat(g_.sequence({comma(), item}), min > n ? min - n : 0, max == Grammar::unlimited ? max : max - n);
    for (std::uint32_t i = n; i-- > 0;) {
      rest = i > 0 ? g_.sequence({comma(), first[i], rest}) : g_.sequence({first[i], rest});
      if (i >= min) rest = g_.optional(rest);
    }
    return listed("[", rest, "]");
  }

  // ---- objects

  Expression object(const json& s, const std::string& path) {
    std::vector<std::pair<std::string, const json*>> properties;
    if (s.contains("properties")) {
      if (!s["properties"].is_object()) wrong(path + "/properties", "value", "an object");
      const json& all = s["properties"];
      for (auto m = all.begin(); m != all.end(); ++m) properties.emplace_back(m.key(), &*m);
    }
    const bool open = s.contains("additionalProperties")
                          ? !s["additionalProperties"].is_boolean() || s["additionalProperties"].get<bool>()
                          : properties.empty();
    static const json anything(true);
    const json& others = s.contains("additionalProperties") ? s["additionalProperties"] : anything;
    std::vector<std::string> required;
    if (s.contains("required")) required = json_as<std::vector<std::string>>(s["required"], where_, path + "/required");
    for (const auto& name : required) {
      const auto same = [&](const auto& p) { return p.first == name; };
      if (std::find_if(properties.begin(), properties.end(), same) == properties.end()) {
        // It is one of the others; where there are none, none satisfies.
        if (s.contains("additionalProperties") && !open)
          return contradiction(path, detail::cat("required ", detail::quote_text(name), ", which is not allowed"));
        properties.emplace_back(name, &others);
      }
    }
    const auto is_required = [&](const std::string& name) {
      return std::find(required.begin(), required.end(), name) != required.end();
    };
    std::size_t number_required = 0;
    for (const auto& p : properties) number_required += is_required(p.first);
    const auto min = count(s, path, "minProperties", 0), max = count(s, path, "maxProperties", Grammar::unlimited);
    const bool counted = s.contains("minProperties") || s.contains("maxProperties");
    if (properties.empty() && open) {
      // Keys may come twice, so that more than one cannot be demanded.
      if (min > 1) refuse(path, "minProperties above 1");
      Expression key = any_string();
      if (s.contains("propertyNames")) {
        json names = s["propertyNames"];
        if (names.is_object() && !names.contains("type") && !names.contains("$ref") && !names.contains("enum"))
          names["type"] = "string";
        key = schema(names, path + "/propertyNames");
      }
      const auto value = schema(others, path + "/additionalProperties");
      return listed("{", elements(g_.sequence({key, colon(), value}), min, max), "}");
    }
    if (s.contains("propertyNames")) refuse(path, "propertyNames beside properties");
    if (counted && (min > number_required || (open ? max != Grammar::unlimited : max < properties.size())))
      refuse(path, "minProperties or maxProperties that properties do not decide");

    std::vector<Expression> pairs;
    for (const auto& [name, value] : properties)
      pairs.push_back(
          g_.sequence({g_.text(string_text(name)), colon(), schema(*value, detail::cat(path, "/properties/", name))}));
    std::vector<Expression> none_yet;  // the ways to begin
    std::optional<Expression> extra;
    if (open) {
      std::vector<std::u32string> names;
      for (const auto& p : properties) names.push_back(characters(p.first));
      std::sort(names.begin(), names.end());
      const auto key = quoted(none_of(names, 0, names.size(), 0));
      extra = g_.sequence({key, colon(), schema(others, path + "/additionalProperties")});
    }
    // rest[i]: what may follow once something was written, from property i on.
    Expression rest = extra ? g_.repeat(g_.sequence({comma(), *extra}), 0, Grammar::unlimited) : g_.text("");
    if (extra) none_yet.push_back(g_.sequence({*extra, rest}));
    none_yet.push_back(g_.text(""));
    for (std::size_t i = properties.size(); i-- > 0;) {
      const bool must = is_required(properties[i].first);
      if (must) none_yet.clear();
      none_yet.push_back(g_.sequence({pairs[i], rest}));
      const auto next = g_.sequence({comma(), pairs[i]});
      const auto r = g_.declare(detail::cat(path, " from ", i));
      g_.define(r, g_.sequence({must ? next : g_.optional(next), rest}));
      rest = g_.reference(r);
    }
    return listed("{", g_.choice(std::move(none_yet)), "}");
  }
  static std::u32string characters(std::string_view text) {
    std::u32string out;
    for (std::size_t i = 0; i < text.size();) {
      const auto lead = static_cast<unsigned char>(text[i++]);
      char32_t c = lead < 0x80 ? lead : lead & (lead >= 0xf0 ? 0x07u : lead >= 0xe0 ? 0x0fu : 0x1fu);
      while (i < text.size() && (static_cast<unsigned char>(text[i]) & 0xc0) == 0x80)
        c = c << 6 | (static_cast<unsigned char>(text[i++]) & 0x3fu);
      out += c;
    }
    return out;
  }
  /// Keys, without escapes, that are none of the names [first, last), which agree in what was written so far. Of very
  /// long names the beginning is not allowed.
  Expression none_of(const std::vector<std::u32string>& names, std::size_t first, std::size_t last, std::size_t depth) {
    constexpr std::size_t most = 128;
    if (depth == most) return g_.nothing();
    const auto any = g_.repeat(g_.chars(plain()), 0, Grammar::unlimited);
    std::vector<Expression> ways;
    if (first < last && names[first].size() == depth)
      while (first < last && names[first].size() == depth) ++first;
    else
      ways.push_back(g_.text(""));
    CodePoints others = plain();
    while (first < last) {
      const char32_t c = names[first][depth];
      std::size_t end = first;
      while (end < last && names[end][depth] == c) ++end;
      const CodePoints one{{c, c}};
      others = others - one;
      if (plain().contains(c)) ways.push_back(g_.sequence({g_.chars(one), none_of(names, first, end, depth + 1)}));
      first = end;
    }
    ways.push_back(g_.sequence({g_.chars(others), any}));
    return g_.choice(std::move(ways));
  }

  const json& root_;
  Grammar g_;
  std::string where_;
  JsonWhitespace whitespace_;
  int nesting_ = 0;
  std::map<std::string, Grammar::Rule> references_, named_;
};

HFT_INLINE Grammar read_json_schema(const json& schema, JsonWhitespace whitespace, const std::string& where) {
  return json_schema_reader(schema, whitespace, where).read();
}

}  // namespace grammars

#endif  // HFT_DEFINES

}  // namespace hft
