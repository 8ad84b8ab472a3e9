// Python's operations on values: truth, iteration, str and repr, order, containment, arithmetic, items and slices.
#pragma once
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/jinja/runtime.hpp>

namespace hft::detail::jinja {

// ---- names for messages ----

inline const char* type_name(const value& v) {
  switch (v.kind()) {
    case kind::undefined:
      return "Undefined";
    case kind::none:
      return "NoneType";
    case kind::boolean:
      return "bool";
    case kind::integer:
      return "int";
    case kind::floating:
      return "float";
    case kind::string:
      return "str";
    case kind::list:
      return "list";
    case kind::tuple:
      return "tuple";
    case kind::dict:
      return "dict";
    case kind::range:
      return "range";
    case kind::view: {
      const auto part = v.as<view_object>().what;
      return part == view_object::keys ? "dict_keys" : part == view_object::values ? "dict_values" : "dict_items";
    }
    case kind::iterator:
      return v.as<iterator_object>().type;
    case kind::callable:
      return v.as<callable_object>().type;
    case kind::name_space:
      return "Namespace";
    default:
      return v.as<opaque_object>().type();
  }
}

[[noreturn]] inline void fail_undefined(const value& v) { runtime::fail(v.as<undefined_object>().message); }
inline void require_defined(const value& v) {
  if (v.is_undefined()) fail_undefined(v);
}

// ---- numbers ----

/// repr(float): the shortest digits that read back equal, in Python's layout.
inline std::string float_text(double d) {
  if (std::isnan(d)) return "nan";
  if (std::isinf(d)) return d < 0 ? "-inf" : "inf";
  char buffer[40];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, d, std::chars_format::scientific).ptr;
  std::string_view s(buffer, std::size_t(end - buffer));
  std::string out;
  if (s[0] == '-') out += '-', s.remove_prefix(1);
  const std::size_t e = s.find('e');
  std::string digits(s.substr(0, e));
  if (digits.size() > 1) digits.erase(1, 1);  // the point
  int exponent = 0;
  std::from_chars(s.data() + e + (s[e + 1] == '+' ? 2 : 1), s.data() + s.size(), exponent);
  const int n = static_cast<int>(digits.size());
  if (exponent < -4 || exponent >= 16) {
    out += digits[0];
    if (n > 1) out += "." + digits.substr(1);
    const int magnitude = exponent < 0 ? -exponent : exponent;
    return out += cat(exponent < 0 ? "e-" : "e+", magnitude < 10 ? "0" : "", magnitude);
  }
  if (exponent < 0) return out += "0." + std::string(std::size_t(-exponent - 1), '0') + digits;
  if (n <= exponent + 1) return out += digits + std::string(std::size_t(exponent + 1 - n), '0') + ".0";
  return out += digits.substr(0, std::size_t(exponent + 1)) + "." + digits.substr(std::size_t(exponent + 1));
}

[[noreturn]] inline void fail_overflow() { runtime::fail("an integer leaves the range of 64 bits"); }

inline std::int64_t to_integer(double d) {
  if (std::isnan(d)) runtime::fail("cannot convert float NaN to integer");
  if (std::isinf(d)) runtime::fail("cannot convert float infinity to integer");
  d = std::trunc(d);
  if (d < -0x1p63 || d >= 0x1p63) fail_overflow();
  return static_cast<std::int64_t>(d);
}

/// An argument that Python takes by __index__.
inline std::int64_t index_argument(const value& v) {
  require_defined(v);
  if (!v.is_integral()) runtime::fail(cat("'", type_name(v), "' object cannot be interpreted as an integer"));
  return v.integer();
}

// ---- truth and iteration ----

inline bool truth(const value& v, runtime* rt = nullptr) {
  switch (v.kind()) {
    case kind::undefined:
    case kind::none:
      return false;
    case kind::boolean:
    case kind::integer:
      return v.integer() != 0;
    case kind::floating:
      return v.number() != 0;
    case kind::string:
      return !v.text().empty();
    case kind::list:
    case kind::tuple:
      return !v.items().empty();
    case kind::dict:
      return !v.entries().items.empty();
    case kind::range:
      return v.as<range_object>().length != 0;
    case kind::view:
      return truth(v.as<view_object>().dict);
    case kind::opaque:
      return !rt || v.as<opaque_object>().length(*rt) != 0;
    default:
      return true;
  }
}

inline bool iterable(const value& v) {
  switch (v.kind()) {
    case kind::none:
    case kind::boolean:
    case kind::integer:
    case kind::floating:
    case kind::callable:
    case kind::name_space:
    case kind::opaque:
      return false;
    default:
      return true;
  }
}

/// len(), or -1 where there is none.
inline std::int64_t length_or_none(runtime& rt, const value& v) {
  switch (v.kind()) {
    case kind::undefined:
      return 0;
    case kind::string:
      return static_cast<std::int64_t>(v.as<string_object>().length);
    case kind::list:
    case kind::tuple:
      return static_cast<std::int64_t>(v.items().size());
    case kind::dict:
      return static_cast<std::int64_t>(v.entries().items.size());
    case kind::range:
      return v.as<range_object>().length;
    case kind::view:
      return length_or_none(rt, v.as<view_object>().dict);
    case kind::opaque:
      return v.as<opaque_object>().length(rt);
    default:
      return -1;
  }
}
inline std::int64_t length(runtime& rt, const value& v) {
  const std::int64_t n = length_or_none(rt, v);
  if (n < 0) runtime::fail(cat("object of type '", type_name(v), "' has no len()"));
  return n;
}

inline value view_item(runtime& rt, const view_object& view, std::size_t i) {
  const auto& [key, item] = view.dict.entries().items[i];
  if (view.what == view_object::keys) return key;
  if (view.what == view_object::values) return item;
  return rt.tuple({key, item});
}

/// Walks over any iterable without copying it; next() is false at the end.
class cursor {
 public:
  cursor(runtime& rt, const value& v) : rt_(rt), v_(v) {
    if (!iterable(v)) runtime::fail(cat("'", type_name(v), "' object is not iterable"));
  }
  bool next(value& out) {
    rt_.spend();
    switch (v_.kind()) {
      case kind::string: {
        const std::string& s = v_.text();
        if (at_ >= s.size()) return false;
        const std::size_t n = char_bytes(s, at_);
        out = rt_.str(s.substr(at_, n));
        at_ += n;
        return true;
      }
      case kind::list:
      case kind::tuple:
        if (at_ >= v_.items().size()) return false;
        out = v_.items()[at_++];
        return true;
      case kind::dict:
        if (at_ >= v_.entries().items.size()) return false;
        out = v_.entries().items[at_++].first;
        return true;
      case kind::range: {
        const auto& r = v_.as<range_object>();
        if (static_cast<std::int64_t>(at_) >= r.length) return false;
        out = value(r.start + static_cast<std::int64_t>(at_++) * r.step);
        return true;
      }
      case kind::view: {
        const auto& view = v_.as<view_object>();
        if (at_ >= view.dict.entries().items.size()) return false;
        out = view_item(rt_, view, at_++);
        return true;
      }
      case kind::iterator: {
        level guard(rt_);  // an iterator may read from another one
        return v_.as<iterator_object>().next(out);
      }
      default:
        return false;  // Undefined is empty
    }
  }

 private:
  runtime& rt_;
  value v_;
  std::size_t at_ = 0;
};

/// list(v)
inline std::vector<value> to_items(runtime& rt, const value& v) {
  if (v.is_sequence()) {
    rt.spend(v.items().size());
    return v.items();
  }
  std::vector<value> out;
  cursor each(rt, v);
  value item;
  std::size_t room = 1024;
  for (; each.next(item); out.push_back(item))
    if (out.size() == room) {  // an endless iterator must not fill the memory before the steps run out
      if (rt.memory.live + (room *= 2) * sizeof(value) > rt.limits.memory_bytes)
        runtime::fail(cat("the template holds more than ", rt.limits.memory_bytes, " bytes"));
    }
  return out;
}

// ---- str and repr ----

inline void append_repr(runtime& rt, std::string& out, const value& v, int depth = 0) {
  rt.spend();
  rt.check_length(out.size());
  if (depth > max_nesting) runtime::fail("maximum recursion depth exceeded while getting the repr of an object");
  const auto sequence = [&](const auto& items, const auto& each) {
    bool first = true;
    for (const auto& item : items) {
      if (!std::exchange(first, false)) out += ", ";
      each(item);
    }
  };
  const auto plain = [&](const value& item) { append_repr(rt, out, item, depth + 1); };
  const auto pair = [&](const auto& entry) {
    append_repr(rt, out, entry.first, depth + 1);
    out += ": ";
    append_repr(rt, out, entry.second, depth + 1);
  };
  switch (v.kind()) {
    case kind::undefined:
      out += "Undefined";
      break;
    case kind::none:
      out += "None";
      break;
    case kind::boolean:
      out += v.integer() ? "True" : "False";
      break;
    case kind::integer:
      append(out, v.integer());
      break;
    case kind::floating:
      out += float_text(v.number());
      break;
    case kind::string:
      rt.spend_bytes(v.text().size());
      out += is_markup(v) ? cat("Markup(", repr(v.text()), ")") : repr(v.text());
      break;
    case kind::list:
      out += '[';
      sequence(v.items(), plain);
      out += ']';
      break;
    case kind::tuple:
      out += '(';
      sequence(v.items(), plain);
      out += v.items().size() == 1 ? ",)" : ")";
      break;
    case kind::dict:
      out += '{';
      sequence(v.entries().items, pair);
      out += '}';
      break;
    case kind::range: {
      const auto& r = v.as<range_object>();
      out += cat("range(", r.start, ", ", r.stop);
      if (r.step != 1) out += cat(", ", r.step);
      out += ')';
      break;
    }
    case kind::view: {
      const auto& view = v.as<view_object>();
      const auto& items = view.dict.entries().items;
      out += cat(type_name(v), "([");
      if (view.what == view_object::keys) sequence(items, [&](const auto& e) { plain(e.first); });
      if (view.what == view_object::values) sequence(items, [&](const auto& e) { plain(e.second); });
      if (view.what == view_object::items)
        sequence(items, [&](const auto& e) {
          out += '(';
          plain(e.first);
          out += ", ";
          plain(e.second);
          out += ')';
        });
      out += "])";
      break;
    }
    case kind::name_space:
      out += "<Namespace {";
      sequence(v.as<namespace_object>().attributes.items, pair);
      out += "}>";
      break;
    case kind::callable:
      if (std::string_view(type_name(v)) == "Macro")
        out += cat("<Macro ", repr(v.as<callable_object>().name), ">");
      else
        out += cat("<", type_name(v), " ", v.as<callable_object>().name, ">");
      break;
    default:
      out += cat("<", type_name(v), " object>");
  }
  rt.check_length(out.size());
}

/// Appends str(v).
inline void append_str(runtime& rt, std::string& out, const value& v) {
  if (v.is_string()) {
    rt.spend_bytes(v.text().size());
    out += v.text();
    rt.check_length(out.size());
  } else if (!v.is_undefined()) {
    append_repr(rt, out, v);
  }
}
inline std::string to_str(runtime& rt, const value& v) {
  std::string out;
  append_str(rt, out, v);
  return out;
}

// ---- comparison ----

/// equal(), paid for: what is compared may be long.
inline bool equals(runtime& rt, const value& a, const value& b) {
  if (a.kind() == b.kind() && !a.is_number())
    rt.spend_bytes(a.is_string() ? std::min(a.text().size(), b.text().size()) : 64 * std::size_t(a.shared() ? 8 : 1));
  if (a.kind() == b.kind() && (a.is_sequence() || a.is(kind::dict))) {
    const std::int64_t n = length(rt, a);
    if (n != length(rt, b)) return false;
    if (a.is_sequence()) {
      level guard(rt);
      for (std::size_t i = 0; i < std::size_t(n); ++i)
        if (!equals(rt, a.items()[i], b.items()[i])) return false;
      return true;
    }
    level guard(rt);
    for (const auto& [key, item] : a.entries().items) {
      const value* other = b.entries().find(key);
      if (!other || !equals(rt, item, *other)) return false;
    }
    return true;
  }
  return equal(a, b);
}

/// Negative, zero or positive; NaN compares as unordered, which the operators below ask for separately.
inline int compare(runtime& rt, const value& a, const value& b, const char* op) {
  require_defined(a);
  require_defined(b);
  if (a.is_number() && b.is_number()) {
    if (a.is_integral() && b.is_integral()) return (a.integer() > b.integer()) - (a.integer() < b.integer());
    return (a.number() > b.number()) - (a.number() < b.number());
  }
  if (a.is_string() && b.is_string()) {  // the order of UTF-8 is that of code points
    rt.spend_bytes(std::min(a.text().size(), b.text().size()));
    return a.text().compare(b.text());
  }
  if (a.is_sequence() && a.kind() == b.kind()) {
    level guard(rt);
    const auto &x = a.items(), &y = b.items();
    for (std::size_t i = 0; i < x.size() && i < y.size(); ++i) {
      rt.spend();
      if (!equals(rt, x[i], y[i])) return compare(rt, x[i], y[i], op);
    }
    return (x.size() > y.size()) - (x.size() < y.size());
  }
  runtime::fail(cat("'", op, "' not supported between instances of '", type_name(a), "' and '", type_name(b), "'"));
}

inline bool has_nan(const value& a, const value& b) {
  return a.is_number() && b.is_number() && (std::isnan(a.number()) || std::isnan(b.number()));
}
inline bool less(runtime& rt, const value& a, const value& b, const char* op = "<") {
  const int order = compare(rt, a, b, op);
  return order < 0 && !has_nan(a, b);
}
inline bool less_equal(runtime& rt, const value& a, const value& b, const char* op = "<=") {
  const int order = compare(rt, a, b, op);
  return order <= 0 && !has_nan(a, b);
}

/// needle in haystack
inline bool contains(runtime& rt, const value& haystack, const value& needle) {
  switch (haystack.kind()) {
    case kind::string:
      if (!needle.is_string())
        runtime::fail(cat("'in <string>' requires string as left operand, not ", type_name(needle)));
      rt.spend_bytes(haystack.text().size());
      return haystack.text().find(needle.text()) != std::string::npos;
    case kind::view:
      if (haystack.as<view_object>().what != view_object::keys) break;
      return contains(rt, haystack.as<view_object>().dict, needle);
    case kind::dict:
      if (!hashable(needle)) runtime::fail(cat("unhashable type: '", type_name(needle), "'"));
      rt.spend();
      return haystack.entries().find(needle) != nullptr;
    default:
      break;
  }
  if (!iterable(haystack)) runtime::fail(cat("argument of type '", type_name(haystack), "' is not iterable"));
  cursor each(rt, haystack);
  value item;
  while (each.next(item))
    if ((item.shared() && item.shared() == needle.shared()) || equals(rt, item, needle)) return true;
  return false;
}

// ---- arithmetic ----

inline value repeat(runtime& rt, const value& v, std::int64_t times) {
  const std::size_t n = times > 0 ? static_cast<std::size_t>(times) : 0;
  const std::size_t size = v.is_string() ? v.text().size() : v.items().size();
  const std::size_t most = v.is_string() ? rt.limits.output_bytes : rt.limits.memory_bytes / sizeof(value);
  if (n && size > most / n) runtime::fail("the repeated value is too long");
  if (v.is_string()) {
    std::string out;
    out.reserve(size * n);
    for (std::size_t i = 0; i < n && size; ++i) out += v.text();
    return rt.str(std::move(out), is_markup(v));
  }
  rt.spend(size * n);
  std::vector<value> out;
  out.reserve(size * n);
  for (std::size_t i = 0; i < n && size; ++i) out.insert(out.end(), v.items().begin(), v.items().end());
  return rt.list(std::move(out), v.kind());
}

[[noreturn]] inline void fail_operands(const char* op, const value& a, const value& b) {
  require_defined(a);
  require_defined(b);
  runtime::fail(cat("unsupported operand type(s) for ", op, ": '", type_name(a), "' and '", type_name(b), "'"));
}

inline value add(runtime& rt, const value& a, const value& b) {
  if (a.is_integral() && b.is_integral()) {
    std::int64_t out;
    if (__builtin_add_overflow(a.integer(), b.integer(), &out)) fail_overflow();
    return out;
  }
  if (a.is_number() && b.is_number()) return a.number() + b.number();
  if (a.is_string() && b.is_string()) {
    rt.check_length(a.text().size() + b.text().size());
    if (is_markup(a) == is_markup(b)) return rt.str(a.text() + b.text(), is_markup(a));
    return rt.str(is_markup(a) ? a.text() + escape_html(b.text()) : escape_html(a.text()) + b.text(), true);
  }
  if (a.is_sequence() && a.kind() == b.kind()) {
    std::vector<value> out;
    rt.spend(a.items().size() + b.items().size());
    out.reserve(a.items().size() + b.items().size());
    out.insert(out.end(), a.items().begin(), a.items().end());
    out.insert(out.end(), b.items().begin(), b.items().end());
    return rt.list(std::move(out), a.kind());
  }
  if (a.is_string() && !b.is_undefined())
    runtime::fail(cat("can only concatenate str (not \"", type_name(b), "\") to str"));
  fail_operands("+", a, b);
}

inline value subtract(const value& a, const value& b) {
  if (a.is_integral() && b.is_integral()) {
    std::int64_t out;
    if (__builtin_sub_overflow(a.integer(), b.integer(), &out)) fail_overflow();
    return out;
  }
  if (a.is_number() && b.is_number()) return a.number() - b.number();
  fail_operands("-", a, b);
}

inline value multiply(runtime& rt, const value& a, const value& b) {
  if (a.is_integral() && b.is_integral()) {
    std::int64_t out;
    if (__builtin_mul_overflow(a.integer(), b.integer(), &out)) fail_overflow();
    return out;
  }
  if (a.is_number() && b.is_number()) return a.number() * b.number();
  if ((a.is_string() || a.is_sequence()) && b.is_integral()) return repeat(rt, a, b.integer());
  if ((b.is_string() || b.is_sequence()) && a.is_integral()) return repeat(rt, b, a.integer());
  fail_operands("*", a, b);
}

inline value divide(const value& a, const value& b) {
  if (!a.is_number() || !b.is_number()) fail_operands("/", a, b);
  if (b.number() == 0) runtime::fail("division by zero");
  return a.number() / b.number();
}

inline double float_modulo(double a, double b) {
  double m = std::fmod(a, b);
  if (m != 0 && (m < 0) != (b < 0)) m += b;
  return m == 0 ? std::copysign(0.0, b) : m;
}
inline std::int64_t integer_modulo(std::int64_t a, std::int64_t b) {
  if (b == -1) return 0;  // the one case in which the division overflows
  const std::int64_t m = a % b;
  return m != 0 && (m < 0) != (b < 0) ? m + b : m;
}

inline value floor_divide(const value& a, const value& b) {
  if (!a.is_number() || !b.is_number()) fail_operands("//", a, b);
  if (b.number() == 0) runtime::fail("integer division or modulo by zero");
  if (a.is_integral() && b.is_integral()) {
    const std::int64_t x = a.integer(), y = b.integer();
    if (y == -1) return subtract(value(0), a);
    return x / y - ((x % y != 0 && (x % y < 0) != (y < 0)) ? 1 : 0);
  }
  const double x = a.number(), y = b.number(), m = float_modulo(x, y);
  const double quotient = (x - m) / y;
  double floored = std::floor(quotient);
  if (quotient - floored > 0.5) floored += 1;
  return quotient == 0 ? std::copysign(0.0, x / y) : floored;
}

inline value power(const value& a, const value& b) {
  if (!a.is_number() || !b.is_number()) fail_operands("** or pow()", a, b);
  if (a.is_integral() && b.is_integral() && b.integer() >= 0) {
    std::int64_t out = 1, base = a.integer();
    for (std::int64_t n = b.integer(); n; n >>= 1) {
      if ((n & 1) && __builtin_mul_overflow(out, base, &out)) fail_overflow();
      if (n > 1 && __builtin_mul_overflow(base, base, &base)) fail_overflow();
    }
    return out;
  }
  if (a.number() == 0 && b.number() < 0) runtime::fail("0.0 cannot be raised to a negative power");
  const double out = std::pow(a.number(), b.number());
  if (std::isnan(out) && !std::isnan(a.number()) && !std::isnan(b.number()))
    runtime::fail("a negative number to a fractional power is complex");
  if (std::isinf(out) && !std::isinf(a.number()) && !std::isinf(b.number()))
    runtime::fail("(34, 'Numerical result out of range')");
  return out;
}

inline value negate(const value& v) {
  require_defined(v);
  if (v.is_integral()) return subtract(value(0), v);
  if (v.is(kind::floating)) return -v.number();
  runtime::fail(cat("bad operand type for unary -: '", type_name(v), "'"));
}
inline value positive(const value& v) {
  require_defined(v);
  if (v.is_integral()) return v.integer();
  if (v.is(kind::floating)) return v;
  runtime::fail(cat("bad operand type for unary +: '", type_name(v), "'"));
}

// ---- items and slices ----

struct slice_bounds {
  std::int64_t start, step, count;
};

/// slice.indices of Python for a sequence of n items; None stands for what is left out.
inline slice_bounds slice_indices(std::int64_t n, const value& start, const value& stop, const value& step) {
  const auto number = [](const value& v) {
    require_defined(v);
    if (!v.is_integral()) runtime::fail("slice indices must be integers or None or have an __index__ method");
    return v.integer();
  };
  const std::int64_t by = step.is_none() ? 1 : number(step);
  if (by == 0) runtime::fail("slice step cannot be zero");
  const std::int64_t low = by < 0 ? -1 : 0, high = by < 0 ? n - 1 : n;
  const auto clamp = [&](const value& v, std::int64_t otherwise) {
    if (v.is_none()) return otherwise;
    std::int64_t i = number(v);
    if (i < 0) i = i < -n ? low : std::max(i + n, low);
    return std::min(std::max(i, low), high);
  };
  const std::int64_t from = clamp(start, by < 0 ? high : low), to = clamp(stop, by < 0 ? low : high);
  std::int64_t count = 0;
  if (by > 0 && from < to) count = (to - from - 1) / by + 1;
  if (by < 0 && to < from) {
    const auto stride = 0 - static_cast<std::uint64_t>(by);  // -by may not fit
    count = static_cast<std::int64_t>((static_cast<std::uint64_t>(from - to) - 1) / stride) + 1;
  }
  return {from, by, count};
}

inline value slice(runtime& rt, const value& v, const value& start, const value& stop, const value& step) {
  require_defined(v);
  if (!v.is_string() && !v.is_sequence() && !v.is(kind::range))
    runtime::fail(v.is(kind::dict) ? "unhashable type: 'slice'"
                                   : cat("'", type_name(v), "' object is not subscriptable"));
  const auto [from, by, count] = slice_indices(length(rt, v), start, stop, step);
  if (v.is(kind::range)) {
    const auto& r = v.as<range_object>();
    const std::int64_t first = r.start + from * r.step, stride = count > 1 ? r.step * by : r.step;
    return {kind::range, std::make_shared<range_object>(first, first + count * stride, stride, count)};
  }
  if (v.is_sequence()) {
    std::vector<value> out;
    out.reserve(std::size_t(count));
    for (std::int64_t i = 0; i < count; ++i) out.push_back(v.items()[std::size_t(from + i * by)]);
    return rt.list(std::move(out), v.kind());
  }
  const auto& s = v.as<string_object>();
  rt.spend_bytes(s.text.size());
  if (by == 1) {
    const std::size_t a = s.ascii() ? std::size_t(from) : byte_offset(s.text, std::size_t(from));
    const std::string_view tail = std::string_view(s.text).substr(std::min(a, s.text.size()));
    return rt.str(tail.substr(0, s.ascii() ? std::size_t(count) : byte_offset(tail, std::size_t(count))), s.markup);
  }
  const std::u32string chars = to_chars32(s.text);
  std::string out;
  for (std::int64_t i = 0; i < count; ++i) append_char(out, chars[std::size_t(from + i * by)]);
  return rt.str(std::move(out), s.markup);
}

/// v[key] where v is a container of Python; false where that raises a TypeError or LookupError.
inline bool get_item(runtime& rt, const value& v, const value& key, value& out) {
  if (v.is(kind::dict)) {
    rt.spend();
    if (!hashable(key)) return false;
    const value* found = key.is_string() ? v.entries().find(std::string_view(key.text())) : v.entries().find(key);
    if (found) out = *found;
    return found;
  }
  if (!key.is_integral() || !(v.is_sequence() || v.is_string() || v.is(kind::range))) return false;
  const std::int64_t n = length(rt, v), i = key.integer() < 0 ? key.integer() + n : key.integer();
  if (i < 0 || i >= n) return false;
  if (v.is_sequence()) {
    out = v.items()[std::size_t(i)];
  } else if (v.is(kind::range)) {
    out = value(v.as<range_object>().start + i * v.as<range_object>().step);
  } else {
    const auto& s = v.as<string_object>();
    if (!s.ascii()) rt.spend_bytes(std::size_t(i));
    const std::size_t at = s.ascii() ? std::size_t(i) : byte_offset(s.text, std::size_t(i));
    out = rt.str(s.text.substr(at, char_bytes(s.text, at)), s.markup);
  }
  return true;
}

}  // namespace hft::detail::jinja
