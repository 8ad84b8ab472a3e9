// The filters of jinja2 (`x | NAME`), with Transformers' own tojson. Filters that make sequences give iterators, which
// compute when they are read, as jinja2's do.
#pragma once
#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <hft/jinja/json.hpp>
#include <hft/jinja/pprint.hpp>
#include <hft/jinja/tests.hpp>
#include <hft/jinja/urlize.hpp>
#include <hft/random.hpp>

namespace hft::detail::jinja {

using filter_function = value (*)(runtime&, const value&, arguments&);
const std::unordered_map<std::string_view, filter_function>& filters();

inline value call_filter(runtime& rt, std::string_view name, const value& subject, arguments& args) {
  const auto it = filters().find(name);
  if (it == filters().end()) runtime::fail(cat("No filter named '", name, "'."));
  return it->second(rt, subject, args);
}

/// A cursor that is made when the first item is asked for: only then does Python find that there is nothing to iterate.
class late_cursor {
 public:
  late_cursor(runtime& rt, value v) : rt_(rt), v_(std::move(v)) {}
  bool next(value& out) {
    if (!each_) each_ = std::make_unique<cursor>(rt_, v_);
    return each_->next(out);
  }

 private:
  runtime& rt_;
  value v_;
  std::unique_ptr<cursor> each_;
};

// ---- attributes by path: "address.city", "items.0" ----

inline std::vector<value> attribute_path(runtime& rt, const value& attribute) {
  if (attribute.is_none()) return {};
  if (!attribute.is_string()) return {attribute};
  std::vector<value> out;
  for (std::string_view part : split(attribute.text(), ".", std::string_view::npos, false)) {
    std::int64_t n = 0;
    const bool number =
        all_chars(part, is_digit) && std::from_chars(part.data(), part.data() + part.size(), n).ec == std::errc{};
    out.push_back(number ? value(n) : rt.str(part));
  }
  return out;
}

inline value ignore_case(runtime& rt, const value& v) { return v.is_string() ? rt.str(lower(v.text())) : v; }

struct attribute_getter {
  std::vector<value> path;
  value fallback;  // stands for what is undefined on the way, unless it is None
  bool fold_case = false;

  value operator()(runtime& rt, value item) const {
    for (const auto& part : path) {
      item = get_subscript(rt, item, part);
      if (item.is_undefined() && !fallback.is_none()) item = fallback;
    }
    return fold_case ? ignore_case(rt, item) : item;
  }
};

/// Sorts by keys stably. Python's `reverse` keeps the order of equal items too.
inline std::vector<value> sort_by(runtime& rt, std::vector<value> items, std::vector<value> keys, bool reverse) {
  std::vector<std::size_t> order(items.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    rt.spend();
    return reverse ? less(rt, keys[b], keys[a]) : less(rt, keys[a], keys[b]);
  });
  std::vector<value> out;
  out.reserve(items.size());
  for (std::size_t i : order) out.push_back(std::move(items[i]));
  return out;
}

/// sorted(reverse=...) takes an integer by __index__.
inline bool reversed(const bound& p, std::size_t i) { return p.has(i) && index_argument(p[i]) != 0; }

inline value sort_filter(runtime& rt, const value& v, arguments& args) {
  const bound p(rt, "sort", args, {"reverse", "case_sensitive", "attribute"});
  const bool reverse = reversed(p, 0);
  std::vector<attribute_getter> getters;
  const bool fold = !truth(p[1]);
  if (p[2].is_string())
    for (std::string_view part : split(p[2].text(), ",", std::string_view::npos, false))
      getters.push_back({attribute_path(rt, rt.str(part)), {}, fold});
  else
    getters.push_back({attribute_path(rt, p[2]), {}, fold});
  std::vector<value> items = to_items(rt, v), keys;
  for (const auto& item : items) {
    std::vector<value> key;
    for (const auto& get : getters) key.push_back(get(rt, item));
    keys.push_back(rt.list(std::move(key)));
  }
  return rt.list(sort_by(rt, std::move(items), std::move(keys), reverse));
}

inline value dictsort_filter(runtime& rt, const value& v, arguments& args) {
  const bound p(rt, "dictsort", args, {"case_sensitive", "by", "reverse"});
  const std::string by = p.has(1) ? to_str(rt, p[1]) : "key";
  if (by != "key" && by != "value") runtime::fail("You can only sort by either \"key\" or \"value\"");
  require_defined(v);
  if (!v.is(kind::dict)) runtime::fail(cat("'", type_name(v), "' object has no attribute 'items'"));
  const bool reverse = reversed(p, 2);
  std::vector<value> items, keys;
  for (const auto& [key, item] : v.entries().items) {
    items.push_back(rt.tuple({key, item}));
    const value& sort_key = by == "key" ? key : item;
    keys.push_back(truth(p[0]) ? sort_key : ignore_case(rt, sort_key));
  }
  return rt.list(sort_by(rt, std::move(items), std::move(keys), reverse));
}

inline value unique_filter(runtime& rt, const value& v, arguments& args) {
  const bound p(rt, "unique", args, {"case_sensitive", "attribute"});
  const attribute_getter get{attribute_path(rt, p[1]), {}, !truth(p[0])};
  auto each = std::make_shared<late_cursor>(rt, v);
  auto seen = std::make_shared<dict_object>();
  rt.charge(*seen, 256);
  return rt.iterator(v, [&rt, each, seen, get](value& out) {
    while (each->next(out)) {
      value key = get(rt, out);
      if (!hashable(key)) runtime::fail(cat("unhashable type: '", type_name(key), "'"));
      if (seen->find(key)) continue;
      if (rt.memory.live + 128 > rt.limits.memory_bytes) runtime::fail("out of memory");
      rt.memory.live += 128, seen->bytes += 128;
      seen->set(std::move(key), value());
      return true;
    }
    return false;
  });
}

template <bool Largest>
value extreme_filter(runtime& rt, const value& v, arguments& args) {
  const bound p(rt, Largest ? "max" : "min", args, {"case_sensitive", "attribute"});
  const attribute_getter get{attribute_path(rt, p[1]), {}, !truth(p[0])};
  cursor each(rt, v);
  value item, best, best_key;
  if (!each.next(best)) return rt.undefined("No aggregated item, sequence was empty.");
  best_key = get(rt, best);
  while (each.next(item)) {
    value key = get(rt, item);
    if (Largest ? less(rt, best_key, key, ">") : less(rt, key, best_key)) best = item, best_key = std::move(key);
  }
  return best;
}

inline value groupby_filter(runtime& rt, const value& v, arguments& args) {
  const bound p(rt, "groupby", args, {"attribute", "default", "case_sensitive"}, 1);
  const attribute_getter raw{attribute_path(rt, p[0]), p[1], false};
  attribute_getter get = raw;
  get.fold_case = !truth(p[2]);
  std::vector<value> keys, items = to_items(rt, v), out;
  for (const auto& item : items) keys.push_back(get(rt, item));
  items = sort_by(rt, std::move(items), std::move(keys), false);
  for (std::size_t i = 0; i < items.size();) {
    const value key = get(rt, items[i]);
    std::vector<value> group;
    const value shown = raw(rt, items[i]);
    do group.push_back(items[i++]);
    while (i < items.size() && equals(rt, get(rt, items[i]), key));
    value entry = rt.tuple({shown, rt.list(std::move(group))});
    entry.as<list_object>().group = true;
    out.push_back(std::move(entry));
  }
  return rt.list(std::move(out));
}

inline value map_filter(runtime& rt, const value& v, arguments& given) {
  auto args = std::make_shared<arguments>(given);
  auto each = std::make_shared<std::unique_ptr<cursor>>();
  auto get = std::make_shared<attribute_getter>();
  auto name = std::make_shared<std::string>();
  value out = rt.iterator(v, [&rt, v, args, each, get, name](value& item) {
    if (!*each) {  // the first item is asked for
      if (!truth(v, &rt)) return false;
      if (args->positional.empty()) {
        const bound p(rt, "map", *args, {"attribute", "default"});
        if (!p.has(0)) runtime::fail("map requires a filter argument");
        *get = {attribute_path(rt, p[0]), p[1], false};
      } else {
        require_defined(args->positional[0]);
        *name = to_str(rt, args->positional[0]);
        args->positional.erase(args->positional.begin());
      }
      *each = std::make_unique<cursor>(rt, v);
    }
    if (!(*each)->next(item)) return false;
    item = name->empty() ? (*get)(rt, item) : call_filter(rt, *name, item, *args);
    return true;
  });
  for (const auto& a : given.positional) out.shared()->depth = std::max(out.shared()->depth, 1 + nesting(a));
  for (const auto& a : given.keyword) out.shared()->depth = std::max(out.shared()->depth, 1 + nesting(a.second));
  return out;
}

template <bool Keep, bool ByAttribute>
value select_filter(runtime& rt, const value& v, arguments& given) {
  auto args = std::make_shared<arguments>(given);
  auto each = std::make_shared<std::unique_ptr<cursor>>();
  auto get = std::make_shared<attribute_getter>();
  auto name = std::make_shared<std::string>();
  value out = rt.iterator(v, [&rt, v, args, each, get, name](value& item) {
    if (!*each) {
      if (!truth(v, &rt)) return false;
      auto& list = args->positional;
      if (ByAttribute) {
        if (list.empty()) runtime::fail("Missing parameter for attribute name");
        get->path = attribute_path(rt, list[0]);
        list.erase(list.begin());
      }
      if (!list.empty()) {
        require_defined(list[0]);
        *name = to_str(rt, list[0]);
        list.erase(list.begin());
      }
      *each = std::make_unique<cursor>(rt, v);
    }
    while ((*each)->next(item)) {
      const value subject = (*get)(rt, item);
      if ((name->empty() ? truth(subject, &rt) : call_test(rt, *name, subject, *args)) == Keep) return true;
    }
    return false;
  });
  for (const auto& a : given.positional) out.shared()->depth = std::max(out.shared()->depth, 1 + nesting(a));
  return out;
}

inline value batch_filter(runtime& rt, const value& v, arguments& args) {
  const bound p(rt, "batch", args, {"linecount", "fill_with"}, 1);
  auto each = std::make_shared<late_cursor>(rt, v);
  auto batch = std::make_shared<std::vector<value>>();  // what is collected so far
  return rt.iterator(v, [&rt, each, count = p[0], fill = p[1], batch, done = false](value& out) mutable {
    for (value item; !done && each->next(item);) {
      const bool full = equals(rt, value(batch->size()), count);
      if (full) out = rt.list(std::exchange(*batch, {}));
      batch->push_back(item);
      if (full) return true;
    }
    if (std::exchange(done, true) || batch->empty()) return false;
    if (!fill.is_none())
      for (const std::int64_t n = index_argument(count); static_cast<std::int64_t>(batch->size()) < n;) {
        rt.spend();
        batch->push_back(fill);
      }
    out = rt.list(std::move(*batch));
    return true;
  });
}

inline value slice_filter(runtime& rt, const value& v, arguments& args) {
  const bound p(rt, "slice", args, {"slices", "fill_with"}, 1);
  auto items = std::make_shared<std::vector<value>>();
  return rt.iterator(
      v, [&rt, v, items, count = p[0], fill = p[1], i = std::int64_t(-1), at = std::size_t(0)](value& out) mutable {
        if (i < 0) {
          *items = to_items(rt, v);
          if (index_argument(count) == 0) runtime::fail("integer division or modulo by zero");
          i = 0;
        }
        if (i >= count.integer()) return false;
        const auto n = static_cast<std::int64_t>(items->size());
        const bool longer = i++ < n % count.integer();
        const std::size_t size = std::size_t(n / count.integer() + (longer ? 1 : 0));
        std::vector<value> part(items->begin() + std::ptrdiff_t(at), items->begin() + std::ptrdiff_t(at + size));
        at += size;
        if (!fill.is_none() && !longer) part.push_back(fill);
        out = rt.list(std::move(part));
        return true;
      });
}

inline value reverse_filter(runtime& rt, const value& v, arguments& args) {
  bound(rt, "reverse", args, {});
  if (v.is_string()) {
    std::u32string chars = to_chars32(v.text());
    std::reverse(chars.begin(), chars.end());
    return rt.str(to_utf8(chars));
  }
  if (!iterable(v)) runtime::fail("argument must be iterable");
  std::vector<value> items = to_items(rt, v);
  std::reverse(items.begin(), items.end());
  if (v.is(kind::iterator)) return rt.list(std::move(items));
  const value list = rt.list(std::move(items));
  auto each = std::make_shared<cursor>(rt, list);
  return rt.iterator(
      list, [each](value& item) { return each->next(item); }, "list_reverseiterator");
}

inline value last_filter(runtime& rt, const value& v, arguments& args) {
  bound(rt, "last", args, {});
  if (!iterable(v) || v.is(kind::iterator)) runtime::fail(cat("'", type_name(v), "' object is not reversible"));
  const std::int64_t n = length(rt, v);
  if (n == 0) return rt.undefined("No last item, sequence was empty.");
  if (v.is(kind::view)) return view_item(rt, v.as<view_object>(), std::size_t(n - 1));
  if (v.is(kind::dict)) return v.entries().items.back().first;
  value out;
  get_item(rt, v, value(n - 1), out);
  return out;
}

inline value random_filter(runtime& rt, const value& v, arguments& args) {
  bound(rt, "random", args, {});
  static std::atomic<std::uint64_t> draws{0};
  const std::int64_t n = length(rt, v);
  if (n == 0) return rt.undefined("No random item, sequence was empty.");
  const auto now = static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
  const value at(static_cast<std::int64_t>(random_stream(now).bits(draws++) % static_cast<std::uint64_t>(n)));
  value out;
  if (!get_item(rt, v, at, out)) runtime::fail(cat("'", type_name(v), "' object has no item ", to_repr(rt, at)));
  return out;
}

// ---- numbers ----

/// Decimal digits of other scripts as those of ASCII.
inline std::string ascii_digits(std::string_view s) {
  std::string out;
  for (std::size_t i = 0; i < s.size();) {
    const std::size_t at = i;
    const char32_t c = next_char(s, i);
    if (c < 0x80 || !is_decimal(c)) {
      out += s.substr(at, i - at);
      continue;
    }
    int digit = 0;                     // they stand in rows of ten
    if (c >= 0x1D7CE && c <= 0x1D7FF)  // five rows without a gap
      digit = static_cast<int>(c - 0x1D7CE) % 10;
    else
      while (digit < 9 && is_decimal(c - char32_t(digit) - 1)) ++digit;
    out += static_cast<char>('0' + digit);
  }
  return out;
}

/// int(text, base); false where Python raises a ValueError.
inline bool parse_integer(std::string_view s, int base, std::int64_t& out) {
  s = strip(s);
  bool negative = false;
  if (!s.empty() && (s[0] == '-' || s[0] == '+')) negative = s[0] == '-', s.remove_prefix(1);
  if (base != 0 && (base < 2 || base > 36)) return false;
  const char letter = s.size() > 1 && s[0] == '0' ? static_cast<char>(s[1] | 32) : 0;
  const int prefixed = letter == 'x' ? 16 : letter == 'o' ? 8 : letter == 'b' ? 2 : 0;
  if (prefixed && (base == 0 || base == prefixed)) {
    s.remove_prefix(2);
    if (!s.empty() && s[0] == '_') s.remove_prefix(1);
    base = prefixed;
  } else if (base == 0) {
    base = 10;
    if (s.size() > 1 && s[0] == '0' && s.find_first_not_of("0_") != std::string_view::npos) return false;
  }
  std::string digits(negative ? "-" : "");
  const std::string ascii = ascii_digits(s);
  s = ascii;
  for (std::size_t i = 0; i < s.size(); ++i) {
    if (s[i] == '_' && i > 0 && i + 1 < s.size() && s[i - 1] != '_') continue;
    if (!is_alnum(static_cast<unsigned char>(s[i])) || static_cast<unsigned char>(s[i]) >= 0x80) return false;
    digits += s[i];
  }
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out, base);
  if (error == std::errc::result_out_of_range) fail_overflow();
  return error == std::errc{} && end == digits.data() + digits.size();
}

/// float(text)
inline bool parse_float(std::string_view text, double& out) {
  const std::string ascii = ascii_digits(strip(text));
  const std::string_view s = ascii;
  std::string plain;
  for (std::size_t i = 0; i < s.size(); ++i) {
    const auto digit = [&](std::size_t k) { return k < s.size() && s[k] >= '0' && s[k] <= '9'; };
    if (s[i] == '_' && i > 0 && digit(i - 1) && digit(i + 1)) continue;
    plain += s[i];
  }
  std::string_view t = plain;
  const bool negative = t.starts_with("-");
  if (t.starts_with("+") || negative) t.remove_prefix(1);
  if (t.empty() || t[0] == '-' || t[0] == '+' || t.find_first_of("(xX") != std::string_view::npos) return false;
  const auto [end, error] = std::from_chars(t.data(), t.data() + t.size(), out);
  if (error == std::errc::invalid_argument || end != t.data() + t.size()) return false;
  if (error == std::errc::result_out_of_range)
    out = t.find("e-") == std::string_view::npos && t.find("E-") == std::string_view::npos ? HUGE_VAL : 0.0;
  if (negative) out = -out;
  return true;
}

inline value int_filter(runtime& rt, const value& v, arguments& args) {
  const bound p(rt, "int", args, {"default", "base"});
  const value otherwise = p.has(0) ? p[0] : value(0);
  require_defined(v);
  if (v.is_integral()) return v.integer();
  if (v.is(kind::floating)) return std::isnan(v.number()) ? otherwise : value(to_integer(v.number()));
  if (!v.is_string()) return otherwise;
  std::int64_t n = 0;
  // a base that int() refuses leaves the text to float()
  const bool has_base = !p.has(1) || (p[1].is_integral() && p[1].integer() >= 0 && p[1].integer() <= 36);
  if (has_base && parse_integer(v.text(), p.has(1) ? static_cast<int>(p[1].integer()) : 10, n)) return n;
  double d = 0;
  if (!parse_float(v.text(), d) || !std::isfinite(d)) return otherwise;
  return to_integer(d);
}

inline value float_filter(runtime& rt, const value& v, arguments& args) {
  const bound p(rt, "float", args, {"default"});
  require_defined(v);
  double d = 0;
  if (v.is_number()) return v.number();
  if (v.is_string() && parse_float(v.text(), d)) return d;
  return p.has(0) ? p[0] : value(0.0);
}

inline value round_filter(runtime& rt, const value& v, arguments& args) {
  const bound p(rt, "round", args, {"precision", "method"});
  const std::string method = p.has(1) ? to_str(rt, p[1]) : "common";
  if (method != "common" && method != "ceil" && method != "floor")
    runtime::fail("method must be common, ceil or floor");
  require_defined(v);
  const std::int64_t digits = p.has(0) ? index_argument(p[0]) : 0;
  if (!v.is_number()) runtime::fail(cat("type ", type_name(v), " doesn't define __round__ method"));
  if (method != "common") {
    const value unit = power(value(10), value(digits));
    const double scaled = multiply(rt, v, unit).number();
    return divide(value(to_integer(method == "ceil" ? std::ceil(scaled) : std::floor(scaled))), unit);
  }
  if (!v.is_integral()) return round_float(v.number(), digits);
  if (digits >= 0) return v.integer();
  if (digits < -18) return 0;
  const std::int64_t unit = power(value(10), value(-digits)).integer();
  const std::int64_t low = v.integer() - integer_modulo(v.integer(), unit), twice = 2 * (v.integer() - low);
  const bool up = twice > unit || (twice == unit && integer_modulo(low / unit, 2) != 0);
  return add(rt, value(low), value(up ? unit : 0));
}

inline value abs_filter(runtime& rt, const value& v, arguments& args) {
  bound(rt, "abs", args, {});
  if (v.is_integral()) return v.integer() < 0 ? negate(v) : value(v.integer());
  if (v.is(kind::floating)) return std::fabs(v.number());
  runtime::fail(cat("bad operand type for abs(): '", type_name(v), "'"));
}

inline value sum_filter(runtime& rt, const value& v, arguments& args) {
  const bound p(rt, "sum", args, {"attribute", "start"});
  const attribute_getter get{attribute_path(rt, p[0]), {}, false};
  value total = p.has(1) ? p[1] : value(0);
  if (total.is_string()) runtime::fail("sum() can't sum strings [use ''.join(seq) instead]");
  cursor each(rt, v);
  for (value item; each.next(item);) total = add(rt, total, get(rt, item));
  return total;
}

inline value filesize_filter(runtime& rt, const value& v, arguments& args) {
  const bound p(rt, "filesizeformat", args, {"binary"});
  double bytes = v.number();
  require_defined(v);
  if (!v.is_number() && !(v.is_string() && parse_float(v.text(), bytes)))
    runtime::fail(cat("could not convert to float: ", to_repr(rt, v)));
  const bool binary = truth(p[0]);
  const double base = binary ? 1024 : 1000;
  if (bytes == 1) return rt.str("1 Byte");
  if (bytes < base) return rt.str(cat(to_integer(bytes), " Bytes"));
  double unit = base;
  int i = 0;
  for (unit *= base; i < 7 && bytes >= unit; ++i) unit *= base;
  return rt.str(cat(float_presentation(base * bytes / unit, 'f', 1, false), " ",
                    "kMGTPEZY"[i] == 'k' && binary ? 'K' : "kMGTPEZY"[i], binary ? "iB" : "B"));
}

// ---- text ----

template <class Function>
value text_filter(runtime& rt, const value& v, arguments& args, Function f) {
  bound(rt, "filter", args, {});
  return rt.str(f(to_str(rt, v)), is_markup(v));
}

/// The title filter of jinja2: words begin behind white space and - ( { [ <.
inline std::string title_words(std::string_view s) {
  const std::u32string chars = to_chars32(s);
  std::string out;
  bool start = true;
  for (std::size_t i = 0; i < chars.size(); ++i) {
    const char32_t c = chars[i];
    const bool between = is_space(c) || c == '-' || c == '(' || c == '{' || c == '[' || c == '<';
    start ? append_upper(out, c) : append_lower(out, chars, i);
    start = between;
  }
  return out;
}

inline value indent_filter(runtime& rt, const value& v, arguments& args) {
  const bound p(rt, "indent", args, {"width", "first", "blank"});
  std::string indention;
  if (p[0].is_string()) {
    indention = p[0].text();
  } else {
    const std::int64_t n = p.has(0) ? index_argument(p[0]) : 4;
    if (n > max_width) runtime::fail("the indent is too wide");
    indention.assign(std::size_t(std::max<std::int64_t>(n, 0)), ' ');
  }
  require_defined(v);
  if (!v.is_string()) runtime::fail(cat("unsupported operand type(s) for +=: '", type_name(v), "' and 'str'"));
  const std::string text = v.text() + "\n";
  std::string out = truth(p[1]) ? indention : "";
  bool later = false;
  for (std::string_view line : split_lines(text, false)) {
    if (later) out += '\n';
    if (std::exchange(later, true) && (truth(p[2]) || !line.empty())) out += indention;
    out += line;
    rt.check_length(out.size());
  }
  return rt.str(std::move(out));
}

inline value truncate_filter(runtime& rt, const value& v, arguments& args) {
  const bound p(rt, "truncate", args, {"length", "killwords", "end", "leeway"});
  const std::int64_t most = p.has(0) ? index_argument(p[0]) : 255, leeway = p[3].is_none() ? 5 : index_argument(p[3]);
  const std::string end = p.has(2) ? string_argument("truncate", p[2]) : "...";
  const auto end_length = static_cast<std::int64_t>(char_count(end));
  if (most < end_length) runtime::fail(cat("expected length >= ", end_length, ", got ", most));
  if (leeway < 0) runtime::fail(cat("expected leeway >= 0, got ", leeway));
  const std::int64_t size = length(rt, v);
  if (size <= most || size - most <= leeway) return v;
  if (!v.is_string()) runtime::fail(cat("cannot truncate '", type_name(v), "'"));
  std::string cut = v.text().substr(0, byte_offset(v.text(), std::size_t(most - end_length)));
  if (!truth(p[1]))
    if (const auto space = cut.rfind(' '); space != std::string::npos) cut.resize(space);
  return rt.str(cut + end);
}

/// textwrap.wrap of one line, with expand_tabs and replace_whitespace off.
inline void wrap_line(std::string_view line, std::size_t width, bool break_long, bool on_hyphens,
                      std::vector<std::string>& out) {
  std::vector<std::u32string> chunks;  // words, and the white space between them
  const std::u32string s = to_chars32(line);
  const auto space = [](char32_t c) { return c == ' ' || (c >= 9 && c <= 13); };
  for (std::size_t i = 0; i < s.size();) {
    std::size_t j = i;
    while (j < s.size() && space(s[j]) == space(s[i])) {
      ++j;
      // a hyphen inside a word, between letters, ends a chunk
      if (on_hyphens && j < s.size() && s[j - 1] == '-' && j - i > 2 && is_alpha(s[j - 2]) && is_alpha(s[j - 3]) &&
          is_alpha(s[j]))
        break;
    }
    chunks.push_back(s.substr(i, j - i));
    i = j;
  }
  std::reverse(chunks.begin(), chunks.end());
  const auto blank = [&](const std::u32string& c) { return space(c[0]); };
  while (!chunks.empty()) {
    std::vector<std::u32string> row;
    std::size_t used = 0;
    if (blank(chunks.back()) && !out.empty()) chunks.pop_back();
    while (!chunks.empty() && used + chunks.back().size() <= width) {
      used += chunks.back().size();
      row.push_back(std::move(chunks.back()));
      chunks.pop_back();
    }
    if (!chunks.empty() && chunks.back().size() > width) {
      const std::size_t left = width > used ? width - used : 0;
      if (break_long) {
        const std::size_t n = width < 1 ? 1 : left;
        row.push_back(chunks.back().substr(0, n));
        chunks.back().erase(0, n);
      } else if (row.empty()) {
        row.push_back(std::move(chunks.back()));
        chunks.pop_back();
      }
    }
    if (!row.empty() && (row.back().empty() || blank(row.back()))) row.pop_back();
    if (row.empty()) continue;
    std::string text;
    for (const auto& c : row) text += to_utf8(c);
    out.push_back(std::move(text));
  }
}

inline value wordwrap_filter(runtime& rt, const value& v, arguments& args) {
  const bound p(rt, "wordwrap", args, {"width", "break_long_words", "wrapstring", "break_on_hyphens"});
  const std::string by = p[2].is_none() ? "\n" : string_argument("wordwrap", p[2]);
  rt.spend(string_argument("wordwrap", v).size());
  if (v.text().empty()) return v;  // nothing asks for the width
  const std::int64_t width = p.has(0) ? index_argument(p[0]) : 79;
  if (width <= 0) runtime::fail(cat("invalid width ", width, " (must be > 0)"));
  std::string out;
  bool later = false;
  for (std::string_view line : split_lines(v.text(), false)) {
    if (std::exchange(later, true)) out += by;
    std::vector<std::string> rows;
    wrap_line(line, std::size_t(width), !p.has(1) || truth(p[1]), !p.has(3) || truth(p[3]), rows);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (i) out += by;
      out += rows[i];
      rt.check_length(out.size());
    }
  }
  return rt.str(std::move(out));
}

inline std::string url_quote(std::string_view s, bool query) {
  std::string out;
  for (char c : s) {
    const auto u = static_cast<unsigned char>(c);
    if (query && c == ' ') {
      out += '+';
    } else if ((u < 0x80 && is_alnum(u)) || c == '_' || c == '.' || c == '-' || c == '~' || (c == '/' && !query)) {
      out += c;
    } else {
      out += '%';
      out += "0123456789ABCDEF"[u >> 4];
      out += "0123456789ABCDEF"[u & 15];
    }
  }
  return out;
}

inline value urlencode_filter(runtime& rt, const value& v, arguments& args) {
  bound(rt, "urlencode", args, {});
  if (v.is_string() || !iterable(v)) return rt.str(url_quote(to_str(rt, v), false));
  std::string out;
  cursor each(rt, v.is(kind::dict) ? rt.view(view_object::items, v) : v);
  for (value pair; each.next(pair);) {
    const std::vector<value> parts = to_items(rt, pair);
    if (parts.size() != 2) runtime::fail("urlencode needs pairs");
    if (!out.empty()) out += '&';
    out += url_quote(to_str(rt, parts[0]), true) + "=" + url_quote(to_str(rt, parts[1]), true);
    rt.check_length(out.size());
  }
  return rt.str(std::move(out));
}

inline value xmlattr_filter(runtime& rt, const value& v, arguments& args) {
  const bound p(rt, "xmlattr", args, {"autospace"});
  if (!v.is(kind::dict)) runtime::fail("xmlattr needs a dict");
  std::string out;
  for (const auto& [key, item] : v.entries().items) {
    if (item.is_none() || item.is_undefined()) continue;
    if (string_argument("xmlattr", key).find_first_of(" \t\n\r\f\v/>=") != std::string::npos)
      runtime::fail(cat("Invalid character in attribute name: ", repr(key.text())));
    if (!out.empty()) out += ' ';
    out += escape_html(key.text()) + "=\"" + escape_html(to_str(rt, item)) + "\"";
    rt.check_length(out.size());
  }
  if (!out.empty() && (!p.has(0) || truth(p[0]))) out.insert(0, " ");
  return rt.str(std::move(out));
}

/// Markup.striptags without its decoding of named entities beyond the five of XML.
inline std::string strip_tags(std::string_view s) {
  std::string plain;
  for (std::size_t i = 0; i < s.size();) {
    if (s.substr(i).starts_with("<!--")) {
      const auto end = s.find("-->", i);
      if (end == std::string_view::npos) break;
      i = end + 3;
    } else if (s[i] == '<' && s.find('>', i) != std::string_view::npos) {
      i = s.find('>', i) + 1;
    } else {
      plain += s[i++];
    }
  }
  std::string out;
  for (std::string_view word : split_spaces(plain, std::string_view::npos, false))
    out += (out.empty() ? "" : " ") + std::string(word);
  static constexpr std::pair<std::string_view, char> entities[] = {{"&lt;", '<'},   {"&gt;", '>'},   {"&#34;", '"'},
                                                                   {"&quot;", '"'}, {"&#39;", '\''}, {"&amp;", '&'}};
  for (const auto& [name, c] : entities)
    for (std::size_t at = 0; (at = out.find(name, at)) != std::string::npos; ++at) out.replace(at, name.size(), 1, c);
  return out;
}

inline value tojson_filter(runtime& rt, const value& v, arguments& args) {
  const bound p(rt, "tojson", args, {"ensure_ascii", "indent", "separators", "sort_keys"});
  json_writer w{rt};
  w.ensure_ascii = truth(p[0]);
  w.sort_keys = truth(p[3]);
  if (!p[1].is_none()) {
    w.indented = true;
    w.item_separator = ",";
    if (p[1].is_string()) {
      w.indent = p[1].text();
    } else {
      const std::int64_t n = index_argument(p[1]);
      if (n > max_width) runtime::fail("the indent is too wide");
      w.indent.assign(std::size_t(std::max<std::int64_t>(n, 0)), ' ');
    }
  }
  if (!p[2].is_none()) {
    const std::vector<value> both = to_items(rt, p[2]);
    if (both.size() != 2) runtime::fail("separators are two strings");
    w.item_separator = string_argument("separators", both[0]);
    w.key_separator = string_argument("separators", both[1]);
  }
  w.write(v);
  return rt.str(std::move(w.out));
}

inline value attr_filter(runtime& rt, const value& v, arguments& args) {
  const bound p(rt, "attr", args, {"name"}, 1);
  require_defined(v);
  if (!p[0].is_string()) runtime::fail(cat("attribute name must be string, not '", type_name(p[0]), "'"));
  value out;
  return find_attribute(rt, v, p[0].text(), out) ? out : missing_attribute(rt, v, p[0].text());
}

inline value format_filter(runtime& rt, const value& v, arguments& args) {
  if (!args.positional.empty() && !args.keyword.empty())
    runtime::fail("can't handle positional and keyword arguments at the same time");
  const std::string pattern = to_str(rt, v);
  if (args.keyword.empty()) return percent_format(rt, pattern, rt.tuple(args.positional));
  std::vector<std::pair<value, value>> named;
  for (const auto& [key, item] : args.keyword) named.emplace_back(rt.str(key), item);
  return percent_format(rt, pattern, rt.dict(std::move(named)));
}

inline std::int64_t word_count(std::string_view s) {
  std::int64_t n = 0;
  bool inside = false;
  for (std::size_t i = 0; i < s.size();) {
    const bool word = is_word(next_char(s, i));
    n += word && !inside;
    inside = word;
  }
  return n;
}

inline const std::unordered_map<std::string_view, filter_function>& filters() {
  using v = const value&;
  using a = arguments&;
  static const std::unordered_map<std::string_view, filter_function> table = [] {
    std::unordered_map<std::string_view, filter_function> t = {
        {"abs", abs_filter},
        {"attr", attr_filter},
        {"batch", batch_filter},
        {"capitalize", [](runtime& rt, v x, a args) { return text_filter(rt, x, args, capitalize); }},
        {"center",
         [](runtime& rt, v x, a args) {
           const bound p(rt, "center", args, {"width"});
           arguments width{{p.has(0) ? p[0] : value(80)}, {}};
           return justify(rt, rt.str(to_str(rt, x)), width, "center", 1);
         }},
        {"dictsort", dictsort_filter},
        {"filesizeformat", filesize_filter},
        {"first",
         [](runtime& rt, v x, a args) {
           bound(rt, "first", args, {});
           value out;
           return cursor(rt, x).next(out) ? out : rt.undefined("No first item, sequence was empty.");
         }},
        {"float", float_filter},
        {"format", format_filter},
        {"groupby", groupby_filter},
        {"indent", indent_filter},
        {"int", int_filter},
        {"items",
         [](runtime& rt, v x, a args) {
           bound(rt, "items", args, {});
           return rt.iterator(x, [&rt, x, at = std::size_t(0)](value& out) mutable {
             if (x.is_undefined()) return false;
             if (!x.is(kind::dict)) runtime::fail("Can only get item pairs from a mapping.");
             if (at >= x.entries().items.size()) return false;
             const auto& [key, item] = x.entries().items[at++];
             out = rt.tuple({key, item});
             return true;
           });
         }},
        {"join",
         [](runtime& rt, v x, a args) {
           const bound p(rt, "join", args, {"d", "attribute"});
           const std::string by = p.has(0) ? to_str(rt, p[0]) : "";
           if (p[1].is_none()) return join_text(rt, by, x, true);
           arguments mapped;
           mapped.keyword.emplace_back("attribute", p[1]);
           return join_text(rt, by, map_filter(rt, iterable(x) ? x : (cursor(rt, x), x), mapped), true);
         }},
        {"last", last_filter},
        {"list", [](runtime& rt, v x, a args) { return bound(rt, "list", args, {}), rt.list(to_items(rt, x)); }},
        {"lower", [](runtime& rt, v x, a args) { return text_filter(rt, x, args, lower); }},
        {"map", map_filter},
        {"max", extreme_filter<true>},
        {"min", extreme_filter<false>},
        {"pprint",
         [](runtime& rt, v x, a args) { return bound(rt, "pprint", args, {}), rt.str(pretty_printer(rt).run(x)); }},
        {"random", random_filter},
        {"reject", select_filter<false, false>},
        {"rejectattr", select_filter<false, true>},
        {"select", select_filter<true, false>},
        {"selectattr", select_filter<true, true>},
        {"replace",
         [](runtime& rt, v x, a args) {
           const bound p(rt, "replace", args, {"old", "new", "count"}, 2);
           return replace_text(rt, to_str(rt, x), to_str(rt, p[0]), to_str(rt, p[1]),
                               p[2].is_none() ? -1 : index_argument(p[2]));
         }},
        {"reverse", reverse_filter},
        {"round", round_filter},
        {"slice", slice_filter},
        {"sort", sort_filter},
        {"striptags",
         [](runtime& rt, v x, a args) { return bound(rt, "striptags", args, {}), rt.str(strip_tags(to_str(rt, x))); }},
        {"sum", sum_filter},
        {"title", [](runtime& rt, v x, a args) { return text_filter(rt, x, args, title_words); }},
        {"tojson", tojson_filter},
        {"trim",
         [](runtime& rt, v x, a args) {
           const bound p(rt, "trim", args, {"chars"});
           std::optional<std::string_view> chars;
           if (!p[0].is_none()) chars = string_argument("strip", p[0]);
           return rt.str(strip(to_str(rt, x), side::both, chars), is_markup(x));
         }},
        {"truncate", truncate_filter},
        {"unique", unique_filter},
        {"upper", [](runtime& rt, v x, a args) { return text_filter(rt, x, args, upper); }},
        {"urlencode", urlencode_filter},
        {"urlize", urlize_filter},
        {"wordcount",
         [](runtime& rt, v x, a args) { return bound(rt, "wordcount", args, {}), value(word_count(to_str(rt, x))); }},
        {"wordwrap", wordwrap_filter},
        {"xmlattr", xmlattr_filter},
    };
    const auto add = [&](std::initializer_list<const char*> names, filter_function f) {
      for (const char* name : names) t.emplace(name, f);
    };
    add({"default", "d"}, [](runtime& rt, v x, a args) {
      const bound p(rt, "default", args, {"default_value", "boolean"});
      if (!x.is_undefined() && !(truth(p[1]) && !truth(x, &rt))) return x;
      return p.has(0) ? p[0] : rt.str("");
    });
    add({"length", "count"},
        [](runtime& rt, v x, a args) { return bound(rt, "length", args, {}), value(length(rt, x)); });
    add({"string"}, [](runtime& rt, v x, a args) {
      bound(rt, "string", args, {});
      return x.is_string() ? x : rt.str(to_str(rt, x));
    });
    add({"safe"}, [](runtime& rt, v x, a args) { return bound(rt, "safe", args, {}), rt.str(to_str(rt, x), true); });
    add({"forceescape"}, [](runtime& rt, v x, a args) {
      return bound(rt, "forceescape", args, {}), rt.str(escape_html(to_str(rt, x)), true);
    });
    add({"escape", "e"}, [](runtime& rt, v x, a args) {
      bound(rt, "escape", args, {});
      return is_markup(x) ? x : rt.str(escape_html(to_str(rt, x)), true);
    });
    return t;
  }();
  return table;
}

inline bool is_known_filter(std::string_view name) { return filters().count(name) != 0; }

}  // namespace hft::detail::jinja
