// Python's three ways to format: the % operator, str.format with its format specifications, and round().
#pragma once
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <hft/jinja/operations.hpp>

namespace hft::detail::jinja {

/// env.getattr and env.getitem: defined with the methods.
value get_attribute(runtime& rt, const value& object, std::string_view name);
value get_subscript(runtime& rt, const value& object, const value& key);

inline constexpr int max_width = 1 << 20;  // of a field: no template needs more

/// A float as the presentation types e, f, g and % write it.
inline std::string float_presentation(double d, char type, int precision, bool alternate) {
  if (precision > 400) runtime::fail("precision too big");
  if (std::isnan(d) || std::isinf(d)) {
    std::string out = std::isnan(d) ? "nan" : d < 0 ? "-inf" : "inf";
    return type >= 'A' && type <= 'Z' ? upper(out) : out;
  }
  const char lower_type = static_cast<char>(type | 32);
  char buffer[800];
  const auto form = lower_type == 'f'   ? std::chars_format::fixed
                    : lower_type == 'e' ? std::chars_format::scientific
                                        : std::chars_format::general;
  if (lower_type == 'g' && precision == 0) precision = 1;
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, d, form, precision).ptr;
  std::string out(buffer, end);
  if (alternate && precision == 0 && out.find('.') == std::string::npos) out += '.';
  return type >= 'A' && type <= 'Z' ? upper(out) : out;
}

inline std::string integer_digits(std::uint64_t n, int base, bool capitals) {
  char buffer[70];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, n, base).ptr;
  const std::string out(buffer, end);
  return capitals ? upper(out) : out;
}

inline std::uint64_t magnitude(std::int64_t n) {
  return n < 0 ? 0 - static_cast<std::uint64_t>(n) : static_cast<std::uint64_t>(n);
}

/// str with characters outside ASCII escaped: ascii() of what repr() gives.
inline std::string ascii_repr(std::string_view s) {
  std::string out;
  for (std::size_t i = 0; i < s.size();) {
    const char32_t c = next_char(s, i);
    if (c < 0x80) {
      out += static_cast<char>(c);
    } else {
      out += c < 0x100 ? "\\x" : c < 0x10000 ? "\\u" : "\\U";
      append_hex(out, c, c < 0x100 ? 2 : c < 0x10000 ? 4 : 8);
    }
  }
  return out;
}

inline std::string to_repr(runtime& rt, const value& v) {
  std::string out;
  append_repr(rt, out, v);
  return out;
}

/// pattern % v
inline value percent_format(runtime& rt, const std::string& pattern, const value& v) {
  std::string out;
  const bool several = v.is(kind::tuple), mapping = v.is(kind::dict);
  std::size_t used = 0;
  const auto next = [&]() -> value {
    if (several) {
      if (used >= v.items().size()) runtime::fail("not enough arguments for format string");
      return v.items()[used++];
    }
    if (used++) runtime::fail("not enough arguments for format string");
    return v;
  };
  for (std::size_t i = 0; i < pattern.size();) {
    rt.check_length(out.size());
    if (pattern[i] != '%') {
      out += pattern[i++];
      continue;
    }
    const auto at = [&] {
      if (i >= pattern.size()) runtime::fail("incomplete format");
      return pattern[i];
    };
    ++i;
    value chosen;
    bool keyed = false;
    if (at() == '(') {
      if (!mapping) runtime::fail("format requires a mapping");
      std::size_t end = i + 1;
      for (int open = 1; end < pattern.size(); ++end) {
        open += pattern[end] == '(' ? 1 : pattern[end] == ')' ? -1 : 0;
        if (!open) break;
      }
      if (end >= pattern.size()) runtime::fail("incomplete format key");
      const std::string key = pattern.substr(i + 1, end - i - 1);
      const value* found = v.entries().find(std::string_view(key));
      if (!found) runtime::fail(repr(key));
      chosen = *found;
      keyed = true;
      i = end + 1;
    }
    bool left = false, plus = false, space = false, zero = false, alternate = false;
    for (;; ++i) {
      const char c = at();
      if (c == '-')
        left = true;
      else if (c == '+')
        plus = true;
      else if (c == ' ')
        space = true;
      else if (c == '0')
        zero = true;
      else if (c == '#')
        alternate = true;
      else
        break;
    }
    const auto number = [&]() -> int {
      std::int64_t n = 0;
      if (at() == '*') {
        ++i;
        n = index_argument(next());
      } else {
        for (; at() >= '0' && at() <= '9'; ++i) n = std::min<std::int64_t>(n * 10 + (at() - '0'), max_width + 1);
      }
      if (n > max_width || n < -max_width) runtime::fail("width too big");
      return static_cast<int>(n);
    };
    int width = number(), precision = -1;
    if (width < 0) left = true, width = -width;
    if (at() == '.') ++i, precision = std::max(0, number());
    while (at() == 'l' || at() == 'h' || at() == 'L') ++i;
    const char type = at();
    ++i;
    if (type == '%') {
      out += '%';
      continue;
    }
    const value item = keyed ? chosen : next();
    std::string body, sign;
    switch (type) {
      case 's':
      case 'r':
      case 'a':
        body = type == 's' ? to_str(rt, item) : type == 'r' ? to_repr(rt, item) : ascii_repr(to_repr(rt, item));
        if (precision >= 0) body = body.substr(0, byte_offset(body, std::size_t(precision)));
        zero = false;
        break;
      case 'c':
        if (item.is_string() && item.as<string_object>().length == 1)
          body = item.text();
        else if (item.is_integral() && item.integer() >= 0 && item.integer() < 0x110000)
          append_char(body, static_cast<char32_t>(item.integer()));
        else
          runtime::fail("%c requires int or char");
        zero = false;
        break;
      case 'd':
      case 'i':
      case 'u':
      case 'x':
      case 'X':
      case 'o': {
        require_defined(item);
        const bool decimal = type == 'd' || type == 'i' || type == 'u';
        if (!item.is_integral() && !(decimal && item.is(kind::floating)))
          runtime::fail(cat(
              "%", type, decimal ? " format: a real number is required, not " : " format: an integer is required, not ",
              type_name(item)));
        const std::int64_t n = item.is_integral() ? item.integer() : to_integer(item.number());
        body = integer_digits(magnitude(n), decimal ? 10 : type == 'o' ? 8 : 16, type == 'X');
        if (precision > static_cast<int>(body.size())) body.insert(0, std::size_t(precision) - body.size(), '0');
        sign = n < 0 ? "-" : plus ? "+" : space ? " " : "";
        if (alternate && !decimal) sign += type == 'o' ? "0o" : type == 'x' ? "0x" : "0X";
        break;
      }
      case 'e':
      case 'E':
      case 'f':
      case 'F':
      case 'g':
      case 'G':
        require_defined(item);
        if (!item.is_number()) runtime::fail(cat("must be real number, not ", type_name(item)));
        body = float_presentation(item.number(), type, precision < 0 ? 6 : precision, alternate);
        if (body[0] == '-')
          sign = "-", body.erase(0, 1);
        else
          sign = plus ? "+" : space ? " " : "";
        break;
      default:
        runtime::fail(cat("unsupported format character '", type, "'"));
    }
    const int size = static_cast<int>(std::min<std::size_t>(char_count(body) + sign.size(), max_width));
    const std::string padding(std::size_t(std::max(0, width - size)), zero && !left ? '0' : ' ');
    out += left ? sign + body + padding : zero ? sign + padding + body : padding + sign + body;
  }
  rt.check_length(out.size());
  if (!mapping && (several ? used < v.items().size() : used == 0) &&
      !(v.is(kind::list) || v.is(kind::range) || v.is_undefined()))  // whatever has items may keep them
    runtime::fail("not all arguments converted during string formatting");
  return rt.str(std::move(out));
}

/// left % right: the remainder, or text formatted.
inline value modulo(runtime& rt, const value& left, const value& right) {
  if (left.is_string()) return percent_format(rt, left.text(), right);
  if (!left.is_number() || !right.is_number()) fail_operands("%", left, right);
  if (right.number() == 0) runtime::fail("integer division or modulo by zero");
  if (left.is_integral() && right.is_integral()) return integer_modulo(left.integer(), right.integer());
  return float_modulo(left.number(), right.number());
}

// ---- str.format ----

/// format(v, spec): [[fill]align][sign][#][0][width][,][.precision][type]
inline std::string format_value(runtime& rt, const value& v, const std::string& spec_text) {
  if (spec_text.empty()) return to_str(rt, v);
  if (!v.is_string() && !v.is_number())
    runtime::fail(cat("unsupported format string passed to ", type_name(v), ".__format__"));
  const std::u32string spec = to_chars32(spec_text);
  std::size_t i = 0;
  const auto is_align = [&](std::size_t k) {
    return k < spec.size() && (spec[k] == '<' || spec[k] == '>' || spec[k] == '^' || spec[k] == '=');
  };
  const auto take = [&](char32_t c) { return i < spec.size() && spec[i] == c && (++i, true); };
  char32_t fill = ' ', align = 0;
  if (is_align(1)) {
    fill = spec[0], align = spec[1], i = 2;
  } else if (is_align(0)) {
    align = spec[i++];
  }
  const char sign_mode = take('+') ? '+' : take('-') ? '-' : take(' ') ? ' ' : '-';
  const bool alternate = take('#');
  if (take('0') && !align) fill = '0', align = v.is_string() ? '<' : '=';
  const auto number = [&] {
    int n = 0;
    for (; i < spec.size() && spec[i] >= '0' && spec[i] <= '9'; ++i)
      n = std::min(n * 10 + static_cast<int>(spec[i] - '0'), max_width + 1);
    if (n > max_width) runtime::fail("Too many decimal digits in format string");
    return n;
  };
  const int width = number();
  const char32_t grouping = take(',') ? ',' : take('_') ? '_' : 0;
  int precision = -1;
  if (take('.')) {
    if (i >= spec.size() || spec[i] < '0' || spec[i] > '9') runtime::fail("Format specifier missing precision");
    precision = number();
  }
  const char type = i < spec.size() ? static_cast<char>(spec[i++]) : 0;
  if (i < spec.size()) runtime::fail("Invalid format specifier");
  const auto unknown = [&] {
    runtime::fail(cat("Unknown format code '", type, "' for object of type '", type_name(v), "'"));
  };
  std::string sign, body, tail;
  if (v.is_string()) {
    if (type && type != 's') unknown();
    if (align == '=') runtime::fail("'=' alignment not allowed in string format specifier");
    body = precision >= 0 ? v.text().substr(0, byte_offset(v.text(), std::size_t(precision))) : v.text();
    if (!align) align = '<';
  } else {
    const std::string_view integers = "bcdoxXn", floats = "eEfFgG%";
    bool negative = false;
    if (v.is_integral() && (!type || integers.find(type) != std::string_view::npos)) {
      if (precision >= 0) runtime::fail("Precision not allowed in integer format specifier");
      negative = v.integer() < 0;
      if (type == 'c') {
        append_char(body, static_cast<char32_t>(v.integer()));
      } else {
        const int base = type == 'b' ? 2 : type == 'o' ? 8 : type == 'x' || type == 'X' ? 16 : 10;
        body = integer_digits(magnitude(v.integer()), base, type == 'X');
        if (alternate && base != 10) sign = type == 'b' ? "0b" : type == 'o' ? "0o" : type == 'x' ? "0x" : "0X";
      }
    } else if (!type || floats.find(type) != std::string_view::npos) {
      double d = v.number();
      negative = std::signbit(d);
      d = std::fabs(d);
      if (type == '%') {
        body = float_presentation(d * 100, 'f', precision < 0 ? 6 : precision, alternate) + "%";
      } else if (type) {
        body = float_presentation(d, type, precision < 0 ? 6 : precision, alternate);
      } else if (precision < 0) {
        body = float_text(d);
      } else {
        body = float_presentation(d, 'g', precision, alternate);
        if (body.find_first_of(".en") == std::string::npos) body += ".0";
      }
    } else {
      unknown();
    }
    if (grouping) {
      const std::size_t whole = std::min(body.find_first_not_of("0123456789abcdefABCDEF"), body.size());
      for (std::size_t at = whole; at > 3; at -= 3) body.insert(at - 3, 1, static_cast<char>(grouping));
    }
    sign.insert(0, negative ? "-" : sign_mode == '+' ? "+" : sign_mode == ' ' ? " " : "");
    if (!align) align = '>';
  }
  const int size = static_cast<int>(std::min<std::size_t>(char_count(body) + sign.size(), max_width));
  const int room = std::max(0, width - size);
  const auto pad = [&](int n) {
    std::string out;
    for (int k = 0; k < n; ++k) append_char(out, fill);
    return out;
  };
  if (align == '<') return sign + body + pad(room);
  if (align == '=') return sign + pad(room) + body;
  if (align == '^') return pad(room / 2) + sign + body + pad(room - room / 2);
  return pad(room) + sign + body;
}

/// str.format over positional and keyword arguments; attributes and items are looked up as in templates.
class string_formatter {
 public:
  string_formatter(runtime& rt, const arguments& args) : rt_(rt), args_(args) {}

  std::string run(std::string_view s, int depth = 2) {
    if (depth == 0) runtime::fail("Max string recursion exceeded");
    std::string out;
    for (std::size_t i = 0; i < s.size();) {
      rt_.check_length(out.size());
      const char c = s[i++];
      if (c != '{' && c != '}') {
        out += c;
        continue;
      }
      if (i < s.size() && s[i] == c) {
        out += c;
        ++i;
        continue;
      }
      if (c == '}') runtime::fail("Single '}' encountered in format string");
      std::size_t end = i;
      for (int open = 1; end < s.size(); ++end) {
        open += s[end] == '{' ? 1 : s[end] == '}' ? -1 : 0;
        if (!open) break;
      }
      if (end >= s.size()) runtime::fail("expected '}' before end of string");
      out += field(s.substr(i, end - i), depth);
      i = end + 1;
    }
    return out;
  }

 private:
  std::string field(std::string_view f, int depth) {
    std::size_t bracket = 0, end = 0;
    for (; end < f.size(); ++end) {
      if (f[end] == '[') ++bracket;
      if (f[end] == ']' && bracket) --bracket;
      if (!bracket && (f[end] == ':' || f[end] == '!')) break;
    }
    value v = lookup(f.substr(0, end));
    std::string_view rest = f.substr(end);
    if (rest.starts_with("!")) {
      const char conversion = rest.size() > 1 ? rest[1] : 0;
      if (conversion == 'r')
        v = rt_.str(to_repr(rt_, v));
      else if (conversion == 's')
        v = rt_.str(to_str(rt_, v));
      else if (conversion == 'a')
        v = rt_.str(ascii_repr(to_repr(rt_, v)));
      else
        runtime::fail("Unknown conversion specifier");
      rest.remove_prefix(2);
      if (!rest.empty() && rest[0] != ':') runtime::fail("expected ':' after conversion specifier");
    }
    return format_value(rt_, v, rest.empty() ? std::string() : run(rest.substr(1), depth - 1));
  }

  value lookup(std::string_view path) {
    const std::size_t end = std::min(path.find_first_of(".["), path.size());
    value v = first(path.substr(0, end));
    for (path.remove_prefix(end); !path.empty();) {
      if (path[0] == '.') {
        const std::size_t n = std::min(path.find_first_of(".[", 1), path.size());
        v = get_attribute(rt_, v, path.substr(1, n - 1));
        path.remove_prefix(n);
      } else {
        const std::size_t close = path.find(']');
        if (path[0] != '[' || close == std::string_view::npos) runtime::fail("Missing ']' in format string");
        const std::string_view key = path.substr(1, close - 1);
        v = get_subscript(rt_, v, digits(key) ? value(number(key)) : rt_.str(key));
        path.remove_prefix(close + 1);
      }
    }
    return v;
  }

  value first(std::string_view name) {
    if (name.empty() || digits(name)) {
      if (name.empty() ? manual_ : automatic_ > 0)
        runtime::fail("cannot switch between automatic and manual field numbering");
      if (!name.empty()) manual_ = true;
      const std::int64_t i = name.empty() ? automatic_++ : number(name);
      if (i >= static_cast<std::int64_t>(args_.positional.size()))
        runtime::fail(cat("Replacement index ", i, " out of range for positional args tuple"));
      return args_.positional[std::size_t(i)];
    }
    for (const auto& [key, item] : args_.keyword)
      if (key == name) return item;
    runtime::fail(repr(name));
  }

  static bool digits(std::string_view s) {
    return all_chars(s, [](char32_t c) { return c >= '0' && c <= '9'; });
  }
  static std::int64_t number(std::string_view s) {
    std::int64_t n = 0;
    if (std::from_chars(s.data(), s.data() + s.size(), n).ec != std::errc{}) fail_overflow();
    return n;
  }

  runtime& rt_;
  const arguments& args_;
  std::int64_t automatic_ = 0;
  bool manual_ = false;
};

// ---- rounding ----

/// round(d, digits): half to even of the exact binary value, as CPython does through the decimal digits.
inline double round_float(double d, std::int64_t digits) {
  if (!std::isfinite(d) || digits > 323) return d;
  if (digits < -308) return std::copysign(0.0, d);
  if (digits < 0) {
    const double unit = std::pow(10.0, static_cast<double>(-digits));
    return std::nearbyint(d / unit) * unit;
  }
  char buffer[800];
  const auto end =
      std::to_chars(buffer, buffer + sizeof buffer, d, std::chars_format::fixed, static_cast<int>(digits)).ptr;
  double out = 0;
  std::from_chars(buffer, end, out);
  return out;
}

}  // namespace hft::detail::jinja
