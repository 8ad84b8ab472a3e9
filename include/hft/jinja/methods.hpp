// Attributes and methods of values as the sandbox shows them: those of Python's str, list, tuple, dict, int and float
// that only read. Methods that would change a value are found and refused.
#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <hft/jinja/format.hpp>

namespace hft::detail::jinja {

using method_function = value (*)(runtime&, const value&, arguments&);
using method_table = std::unordered_map<std::string_view, method_function>;

inline const std::string& string_argument(const char* where, const value& v) {
  require_defined(v);
  if (!v.is_string()) runtime::fail(cat(where, " argument must be str, not ", type_name(v)));
  return v.text();
}

// ---- str ----

/// The byte range that the arguments start and end of find, count, startswith, ... select.
inline bool find_range(const string_object& s, const bound& p, std::size_t first, std::size_t& begin,
                       std::size_t& end) {
  const auto n = static_cast<std::int64_t>(s.length);
  const auto clamp = [&](const value& v, std::int64_t otherwise) {
    if (v.is_none()) return otherwise;
    const std::int64_t i = index_argument(v);
    return i < 0 ? std::max<std::int64_t>(i < -n ? 0 : i + n, 0) : std::min(i, n + 1);
  };
  const std::int64_t a = clamp(p[first], 0), b = std::min(clamp(p[first + 1], n), n);
  if (a > b) return false;
  begin = s.ascii() ? std::size_t(a) : byte_offset(s.text, std::size_t(a));
  end = s.ascii() ? std::size_t(b) : byte_offset(s.text, std::size_t(b));
  return true;
}

inline value string_find(runtime& rt, const value& self, arguments& args, const char* name, bool last, bool must) {
  const bound p(rt, name, args, {"", "", ""}, 1);
  const auto& s = self.as<string_object>();
  const std::string& needle = string_argument(name, p[0]);
  rt.spend_bytes(s.text.size());
  std::size_t begin = 0, end = 0, at = std::string::npos;
  if (find_range(s, p, 1, begin, end)) {
    const std::string_view part = std::string_view(s.text).substr(begin, end - begin);
    at = last ? part.rfind(needle) : part.find(needle);
    if (at != std::string::npos) at += begin;
  }
  if (at == std::string::npos) {
    if (must) runtime::fail("substring not found");
    return -1;
  }
  return s.ascii() ? at : char_count(std::string_view(s.text).substr(0, at));
}

inline value string_count(runtime& rt, const value& self, arguments& args) {
  const bound p(rt, "count", args, {"", "", ""}, 1);
  const auto& s = self.as<string_object>();
  const std::string& needle = string_argument("count()", p[0]);
  rt.spend_bytes(s.text.size());
  std::size_t begin = 0, end = 0;
  if (!find_range(s, p, 1, begin, end)) return 0;
  const std::string_view part = std::string_view(s.text).substr(begin, end - begin);
  if (needle.empty()) return char_count(part) + 1;
  std::int64_t n = 0;
  for (std::size_t at = 0; (at = part.find(needle, at)) != std::string_view::npos; at += needle.size()) ++n;
  return n;
}

inline value string_affix(runtime& rt, const value& self, arguments& args, const char* name, bool prefix) {
  const bound p(rt, name, args, {"", "", ""}, 1);
  const auto& s = self.as<string_object>();
  std::size_t begin = 0, end = 0;
  const bool inside = find_range(s, p, 1, begin, end);
  const std::string_view part = inside ? std::string_view(s.text).substr(begin, end - begin) : std::string_view();
  const auto matches = [&](const value& v) {
    require_defined(v);
    if (!v.is_string()) runtime::fail(cat(name, " first arg must be str or a tuple of str, not ", type_name(v)));
    rt.spend_bytes(v.text().size());
    return inside && (prefix ? part.starts_with(v.text()) : part.ends_with(v.text()));
  };
  if (p[0].is(kind::tuple)) {
    for (const auto& item : p[0].items())
      if (matches(item)) return true;
    return false;
  }
  return matches(p[0]);
}

inline value string_strip(runtime& rt, const value& self, arguments& args, const char* name, side where) {
  const bound p(rt, name, args, {""});
  std::optional<std::string_view> chars;
  if (!p[0].is_none()) chars = string_argument(name, p[0]);
  rt.spend_bytes(self.text().size() * (1 + (chars ? chars->size() / 16 : 0)));
  return rt.str(strip(self.text(), where, chars), is_markup(self));
}

inline value to_list(runtime& rt, const std::vector<std::string_view>& parts) {
  std::vector<value> out;
  out.reserve(parts.size());
  for (std::string_view part : parts) out.push_back(rt.str(part));
  return rt.list(std::move(out));
}

inline value string_split(runtime& rt, const value& self, arguments& args, const char* name, bool from_right) {
  const bound p(rt, name, args, {"sep", "maxsplit"});
  const std::int64_t most = p.has(1) ? index_argument(p[1]) : -1;
  const std::size_t limit = most < 0 ? std::string_view::npos : static_cast<std::size_t>(most);
  rt.spend_bytes(self.text().size());
  if (p[0].is_none()) return to_list(rt, split_spaces(self.text(), limit, from_right));
  const std::string& by = string_argument(name, p[0]);
  if (by.empty()) runtime::fail("empty separator");
  return to_list(rt, split(self.text(), by, limit, from_right));
}

inline value string_partition(runtime& rt, const value& self, arguments& args, const char* name, bool last) {
  const bound p(rt, name, args, {""}, 1);
  const std::string& by = string_argument(name, p[0]);
  if (by.empty()) runtime::fail("empty separator");
  const std::string_view s = self.text();
  const std::size_t at = last ? s.rfind(by) : s.find(by);
  if (at == std::string_view::npos) {
    const value empty = rt.str("");
    return last ? rt.tuple({empty, empty, self}) : rt.tuple({self, empty, empty});
  }
  return rt.tuple({rt.str(s.substr(0, at)), p[0], rt.str(s.substr(at + by.size()))});
}

/// str.replace; a negative count replaces all.
inline value replace_text(runtime& rt, const std::string& s, const std::string& from, const std::string& to,
                          std::int64_t count, bool markup = false) {
  std::string out;
  std::size_t at = 0;
  rt.spend_bytes(s.size());
  const auto more = [&] { return count < 0 || count-- > 0; };
  if (from.empty()) {  // between all characters, and at both ends
    for (;;) {
      if (!more()) break;
      out += to;
      if (at >= s.size()) break;
      const std::size_t n = char_bytes(s, at);
      out.append(s, at, n);
      at += n;
      rt.check_length(out.size());
    }
  } else {
    for (std::size_t hit; (hit = s.find(from, at)) != std::string::npos && more(); at = hit + from.size()) {
      out.append(s, at, hit - at);
      out += to;
      rt.check_length(out.size());
    }
  }
  if (at < s.size()) out.append(s, at, std::string::npos);
  return rt.str(std::move(out), markup);
}

inline value string_replace(runtime& rt, const value& self, arguments& args) {
  const bound p(rt, "replace", args, {"", "", ""}, 2);
  const bool markup = is_markup(self);
  const auto argument = [&](std::size_t i) {
    const std::string& text = string_argument("replace()", p[i]);
    return markup && !is_markup(p[i]) ? escape_html(text) : text;
  };
  return replace_text(rt, self.text(), argument(0), argument(1), p.has(2) ? index_argument(p[2]) : -1, markup);
}

inline value join_text(runtime& rt, const std::string& by, const value& items, bool convert) {
  std::string out;
  cursor each(rt, items);
  value item;
  for (std::size_t i = 0; each.next(item); ++i) {
    if (i) out += by;
    if (!convert && !item.is_string()) {
      require_defined(items);
      runtime::fail(cat("sequence item ", i, ": expected str instance, ", type_name(item), " found"));
    }
    append_str(rt, out, item);
  }
  return rt.str(std::move(out));
}

inline value justify(runtime& rt, const value& self, arguments& args, const char* name, int left_share) {
  const bound p(rt, name, args, {"", ""}, 1);
  const auto& s = self.as<string_object>();
  const std::string fill = p.has(1) ? string_argument(name, p[1]) : " ";
  if (char_count(fill) != 1) runtime::fail("The fill character must be exactly one character long");
  const std::int64_t width = index_argument(p[0]), n = static_cast<std::int64_t>(s.length);
  if (width <= n) return self;
  const auto room = static_cast<std::size_t>(width - n);
  if (room > rt.limits.output_bytes / 4) runtime::fail("the padded string is too long");
  // center: CPython puts the odd space to the left where both the room and the width are odd
  const std::size_t left = left_share == 0   ? 0
                           : left_share == 2 ? room
                                             : room / 2 + (room & static_cast<std::size_t>(width) & 1);
  std::string out;
  for (std::size_t i = 0; i < left; ++i) out += fill;
  out += s.text;
  for (std::size_t i = left; i < room; ++i) out += fill;
  return rt.str(std::move(out));
}

inline value string_zfill(runtime& rt, const value& self, arguments& args) {
  const bound p(rt, "zfill", args, {""}, 1);
  const auto& s = self.as<string_object>();
  const std::int64_t room = index_argument(p[0]) - static_cast<std::int64_t>(s.length);
  if (room <= 0) return self;
  if (static_cast<std::uint64_t>(room) > rt.limits.output_bytes) runtime::fail("the padded string is too long");
  const bool sign = s.text.starts_with("-") || s.text.starts_with("+");
  return rt.str(s.text.substr(0, sign) + std::string(std::size_t(room), '0') + s.text.substr(sign));
}

inline value string_expandtabs(runtime& rt, const value& self, arguments& args) {
  const bound p(rt, "expandtabs", args, {"tabsize"});
  const std::int64_t size = p.has(0) ? index_argument(p[0]) : 8;
  if (size > max_width) runtime::fail("the tab size is too big");
  std::string out;
  std::int64_t column = 0;
  for (std::size_t i = 0; i < self.text().size();) {
    const std::size_t at = i;
    const char32_t c = next_char(self.text(), i);
    if (c == '\t') {
      if (size <= 0) continue;
      const std::int64_t n = size - column % size;
      out.append(std::size_t(n), ' ');
      column += n;
      rt.check_length(out.size());
    } else {
      out.append(self.text(), at, i - at);
      column = c == '\n' || c == '\r' ? 0 : column + 1;
    }
  }
  return rt.str(std::move(out));
}

inline bool cased_as(std::string_view s, bool (*wanted)(char32_t), bool (*other)(char32_t)) {
  bool any = false;
  for (std::size_t i = 0; i < s.size();) {
    const char32_t c = next_char(s, i);
    if (other(c) || is_title(c)) return false;
    any = any || wanted(c);
  }
  return any;
}
inline bool is_lower_text(std::string_view s) { return cased_as(s, is_lower, is_upper); }
inline bool is_upper_text(std::string_view s) { return cased_as(s, is_upper, is_lower); }
inline bool is_title_text(std::string_view s) {
  bool any = false, inside = false;
  for (std::size_t i = 0; i < s.size();) {
    const char32_t c = next_char(s, i);
    if (is_upper(c) || is_title(c)) {
      if (inside) return false;
      inside = any = true;
    } else if (is_lower(c)) {
      if (!inside) return false;
      any = true;
    } else {
      inside = false;
    }
  }
  return any;
}

template <bool (*Test)(char32_t)>
value string_is(runtime& rt, const value& self, arguments& args) {
  bound(rt, "is...", args, {});
  rt.spend_bytes(self.text().size());
  return all_chars(self.text(), Test);
}
template <bool (*Test)(std::string_view)>
value string_is_text(runtime& rt, const value& self, arguments& args) {
  bound(rt, "is...", args, {});
  rt.spend_bytes(self.text().size());
  return Test(self.text());
}
template <std::string (*Change)(std::string_view)>
value string_case(runtime& rt, const value& self, arguments& args) {
  bound(rt, "case", args, {});
  rt.spend_bytes(self.text().size());
  return rt.str(Change(self.text()), is_markup(self));
}

inline value string_format(runtime& rt, const value& self, arguments& args) {
  return rt.str(string_formatter(rt, args).run(self.text()));
}
inline value string_format_map(runtime& rt, const value& self, arguments& args) {
  const bound p(rt, "format_map", args, {""}, 1);
  if (!p[0].is(kind::dict)) runtime::fail("format_map() takes a dict");
  arguments named;
  for (const auto& [key, item] : p[0].entries().items)
    if (key.is_string()) named.keyword.emplace_back(key.text(), item);
  return rt.str(string_formatter(rt, named).run(self.text()));
}

inline const method_table& string_methods() {
  using v = const value&;
  using a = arguments&;
  static const method_table table = {
      {"strip", [](runtime& rt, v s, a x) { return string_strip(rt, s, x, "strip", side::both); }},
      {"lstrip", [](runtime& rt, v s, a x) { return string_strip(rt, s, x, "lstrip", side::left); }},
      {"rstrip", [](runtime& rt, v s, a x) { return string_strip(rt, s, x, "rstrip", side::right); }},
      {"split", [](runtime& rt, v s, a x) { return string_split(rt, s, x, "split", false); }},
      {"rsplit", [](runtime& rt, v s, a x) { return string_split(rt, s, x, "rsplit", true); }},
      {"splitlines",
       [](runtime& rt, v s, a x) {
         const bound p(rt, "splitlines", x, {"keepends"});
         rt.spend_bytes(s.text().size());
         return to_list(rt, split_lines(s.text(), truth(p[0])));
       }},
      {"partition", [](runtime& rt, v s, a x) { return string_partition(rt, s, x, "partition", false); }},
      {"rpartition", [](runtime& rt, v s, a x) { return string_partition(rt, s, x, "rpartition", true); }},
      {"startswith", [](runtime& rt, v s, a x) { return string_affix(rt, s, x, "startswith", true); }},
      {"endswith", [](runtime& rt, v s, a x) { return string_affix(rt, s, x, "endswith", false); }},
      {"find", [](runtime& rt, v s, a x) { return string_find(rt, s, x, "find", false, false); }},
      {"rfind", [](runtime& rt, v s, a x) { return string_find(rt, s, x, "rfind", true, false); }},
      {"index", [](runtime& rt, v s, a x) { return string_find(rt, s, x, "index", false, true); }},
      {"rindex", [](runtime& rt, v s, a x) { return string_find(rt, s, x, "rindex", true, true); }},
      {"count", string_count},
      {"replace", string_replace},
      {"join",
       [](runtime& rt, v s, a x) {
         const bound p(rt, "join", x, {""}, 1);
         if (!iterable(p[0])) runtime::fail("can only join an iterable");
         return join_text(rt, s.text(), p[0], false);
       }},
      {"removeprefix",
       [](runtime& rt, v s, a x) {
         const bound p(rt, "removeprefix", x, {""}, 1);
         const std::string& affix = string_argument("removeprefix()", p[0]);
         return s.text().starts_with(affix) ? rt.str(s.text().substr(affix.size())) : s;
       }},
      {"removesuffix",
       [](runtime& rt, v s, a x) {
         const bound p(rt, "removesuffix", x, {""}, 1);
         const std::string& affix = string_argument("removesuffix()", p[0]);
         return s.text().ends_with(affix) ? rt.str(s.text().substr(0, s.text().size() - affix.size())) : s;
       }},
      {"upper", string_case<upper>},
      {"lower", string_case<lower>},
      {"casefold", string_case<lower>},
      {"title", string_case<title>},
      {"capitalize", string_case<capitalize>},
      {"swapcase", string_case<swapcase>},
      {"center", [](runtime& rt, v s, a x) { return justify(rt, s, x, "center", 1); }},
      {"ljust", [](runtime& rt, v s, a x) { return justify(rt, s, x, "ljust", 0); }},
      {"rjust", [](runtime& rt, v s, a x) { return justify(rt, s, x, "rjust", 2); }},
      {"zfill", string_zfill},
      {"expandtabs", string_expandtabs},
      {"format", string_format},
      {"format_map", string_format_map},
      {"isspace", string_is<is_space>},
      {"isalpha", string_is<is_alpha>},
      {"isalnum", string_is<is_alnum>},
      {"isdigit", string_is<is_digit>},
      {"isdecimal", string_is<is_decimal>},
      {"isnumeric", string_is<is_numeric>},
      {"isidentifier", string_is_text<is_identifier>},
      {"islower", string_is_text<is_lower_text>},
      {"isupper", string_is_text<is_upper_text>},
      {"istitle", string_is_text<is_title_text>},
      {"isascii",
       [](runtime& rt, v s, a x) {
         bound(rt, "isascii", x, {});
         return value(s.as<string_object>().ascii());
       }},
      {"isprintable",
       [](runtime& rt, v s, a x) {
         bound(rt, "isprintable", x, {});
         return value(s.text().empty() || all_chars(s.text(), is_printable));
       }},
  };
  return table;
}

// ---- list, tuple, dict, float ----

inline const method_table& sequence_methods() {
  using v = const value&;
  using a = arguments&;
  static const method_table table = {
      {"count",
       [](runtime& rt, v s, a x) {
         const bound p(rt, "count", x, {""}, 1);
         std::int64_t n = 0;
         cursor each(rt, s);
         for (value item; each.next(item);) n += equals(rt, item, p[0]);
         return value(n);
       }},
      {"index",
       [](runtime& rt, v s, a x) {
         const bound p(rt, "index", x, {"", "", ""}, 1);
         const auto [from, by, count] = slice_indices(length(rt, s), p[1], p[2], value());
         value item;
         for (std::int64_t i = from; i < from + count; ++i)
           if (get_item(rt, s, value(i), item) && equals(rt, item, p[0])) return value(i);
         runtime::fail(cat(to_repr(rt, p[0]), " is not in ", type_name(s)));
         return value(by);
       }},
  };
  return table;
}

inline const method_table& dict_methods() {
  using v = const value&;
  using a = arguments&;
  static const method_table table = {
      {"items", [](runtime& rt, v d, a x) { return bound(rt, "items", x, {}), rt.view(view_object::items, d); }},
      {"keys", [](runtime& rt, v d, a x) { return bound(rt, "keys", x, {}), rt.view(view_object::keys, d); }},
      {"values", [](runtime& rt, v d, a x) { return bound(rt, "values", x, {}), rt.view(view_object::values, d); }},
      {"copy", [](runtime& rt, v d, a x) { return bound(rt, "copy", x, {}), d; }},
      {"get",
       [](runtime& rt, v d, a x) {
         const bound p(rt, "get", x, {"", ""}, 1);
         if (!hashable(p[0])) runtime::fail(cat("unhashable type: '", type_name(p[0]), "'"));
         value out;
         return get_item(rt, d, p[0], out) ? out : p[1];
       }},
  };
  return table;
}

inline const method_table& list_methods() {
  static const method_table table = [] {
    method_table t = sequence_methods();
    t.emplace("copy", [](runtime& rt, const value& s, arguments& x) { return bound(rt, "copy", x, {}), s; });
    return t;
  }();
  return table;
}

inline const method_table& float_methods() {
  static const method_table table = {
      {"is_integer",
       [](runtime& rt, const value& s, arguments& x) {
         bound(rt, "is_integer", x, {});
         return value(std::trunc(s.number()) == s.number());
       }},
  };
  return table;
}

/// Python attributes that exist and that the sandbox refuses: methods that change their object.
inline bool is_mutating(const value& v, std::string_view name) {
  static constexpr std::string_view dict_names[] = {"clear", "pop", "popitem", "setdefault", "update"};
  static constexpr std::string_view list_names[] = {"append", "clear", "pop",    "reverse",
                                                    "insert", "sort",  "extend", "remove"};
  if (v.is(kind::dict)) return std::find(std::begin(dict_names), std::end(dict_names), name) != std::end(dict_names);
  if (v.is(kind::list)) return std::find(std::begin(list_names), std::end(list_names), name) != std::end(list_names);
  return false;
}

/// Names such as __class__ that every Python object has.
inline bool is_internal(std::string_view name) {
  static constexpr std::string_view names[] = {
      "__class__", "__delattr__",      "__dir__",    "__doc__",  "__eq__",          "__format__",
      "__ge__",    "__getattribute__", "__gt__",     "__hash__", "__init__",        "__init_subclass__",
      "__le__",    "__lt__",           "__ne__",     "__new__",  "__reduce__",      "__reduce_ex__",
      "__repr__",  "__setattr__",      "__sizeof__", "__str__",  "__subclasshook__"};
  return name.starts_with("__") && std::find(std::begin(names), std::end(names), name) != std::end(names);
}

/// Python's getattr in the sandbox; false where there is no such attribute.
inline bool find_attribute(runtime& rt, const value& v, std::string_view name, value& out) {
  const method_table* table = nullptr;
  switch (v.kind()) {
    case kind::string:
      table = &string_methods();
      break;
    case kind::list:
      table = &list_methods();
      break;
    case kind::tuple: {
      const auto& t = v.as<list_object>();
      if (t.group && (name == "grouper" || name == "list")) {
        out = t.items[name == "list"];
        return true;
      }
      table = &sequence_methods();
      break;
    }
    case kind::range: {
      const auto& r = v.as<range_object>();
      if (name == "start" || name == "stop" || name == "step") {
        out = name == "start" ? r.start : name == "stop" ? r.stop : r.step;
        return true;
      }
      table = &sequence_methods();
      break;
    }
    case kind::dict:
      table = &dict_methods();
      break;
    case kind::floating:
      table = &float_methods();
      break;
    case kind::name_space: {
      const value* found = v.as<namespace_object>().attributes.find(name);
      if (found) out = *found;
      return found;
    }
    case kind::callable:
      for (const auto& [key, item] : v.as<callable_object>().attributes)
        if (name == key) {
          out = item;
          return true;
        }
      break;
    case kind::opaque:
      if (v.as<opaque_object>().attribute(rt, name, out)) return true;
      break;
    default:
      break;
  }
  if (table)
    if (const auto it = table->find(name); it != table->end()) {
      out = rt.method(v, name, it->second);
      return true;
    }
  if (is_mutating(v, name) || (is_internal(name) && !v.is(kind::name_space))) {
    out = rt.undefined(cat("access to attribute '", name, "' of '", type_name(v), "' object is unsafe."));
    return true;
  }
  return false;
}

inline value missing_attribute(runtime& rt, const value& v, std::string_view name) {
  return rt.undefined(cat("'", v.is_none() ? "None" : cat(type_name(v), " object"), "' has no attribute '", name, "'"));
}

/// v.name: the attribute, or else the item of that name.
inline value get_attribute(runtime& rt, const value& v, std::string_view name) {
  require_defined(v);
  value out;
  if (find_attribute(rt, v, name, out)) return out;
  if (v.is(kind::dict))
    if (const value* found = v.entries().find(name)) return *found;
  return missing_attribute(rt, v, name);
}

/// v[key]: the item, or else the attribute of that name.
inline value get_subscript(runtime& rt, const value& v, const value& key) {
  require_defined(v);
  value out;
  if (get_item(rt, v, key, out)) return out;
  if (key.is_string()) {
    if (find_attribute(rt, v, key.text(), out)) return out;
    return missing_attribute(rt, v, key.text());
  }
  return rt.undefined(cat(v.is_none() ? "None" : cat(type_name(v), " object"), " has no element ", to_repr(rt, key)));
}

}  // namespace hft::detail::jinja
