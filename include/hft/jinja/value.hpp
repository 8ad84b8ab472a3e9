// The values of a template: Python's None, bool, int (of 64 bits), float, str, list, tuple, dict, range, iterators and
// callables, jinja2's Undefined and namespace. A value is a small handle; containers are shared and, but for the
// namespace, immutable, as in the sandbox that Transformers renders in.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/jinja/text.hpp>

namespace hft::detail::jinja {

enum class kind : std::uint8_t {
  undefined,
  none,
  boolean,
  integer,
  floating,
  string,
  list,
  tuple,
  dict,
  range,
  view,
  iterator,
  callable,
  name_space,
  opaque,  // loop, cycler: attributes only
};

/// Bytes that the values of one rendering hold. Objects give theirs back when they go.
struct account {
  std::size_t live = 0;
};

/// What a handle shares. Constants of the template belong to no account.
struct object {
  object() = default;
  object(const object&) = delete;
  object& operator=(const object&) = delete;
  virtual ~object() {
    if (owner) owner->live -= bytes;
  }
  account* owner = nullptr;
  std::size_t bytes = 0;
  int depth = 0;  // 1 + that of the deepest value it holds; objects the runtime takes apart itself stay at 0
};

class value;
class runtime;
struct arguments;
struct string_object;
struct list_object;
struct dict_object;

class value {
 public:
  value() noexcept : integer_(0) {}
  value(std::nullptr_t) noexcept : value() {}
  value(bool b) noexcept : kind_(jinja::kind::boolean), integer_(b) {}
  template <class N>
  requires(std::is_arithmetic_v<N> && !std::is_same_v<N, bool>) value(N n)
  noexcept : integer_(0) {
    if constexpr (std::is_floating_point_v<N>)
      kind_ = jinja::kind::floating, floating_ = n;
    else
      kind_ = jinja::kind::integer, integer_ = static_cast<std::int64_t>(n);
  }
  value(std::string s);
  value(std::string_view s) : value(std::string(s)) {}
  value(const char* s) : value(std::string(s)) {}
  value(jinja::kind k, std::shared_ptr<object> shared) noexcept : kind_(k), integer_(0), shared_(std::move(shared)) {}

  static value list(std::vector<value> items);
  static value tuple(std::vector<value> items);
  /// Later entries replace earlier ones with an equal key.
  static value dict(std::vector<std::pair<value, value>> items);

  jinja::kind kind() const noexcept { return kind_; }
  bool is(jinja::kind k) const noexcept { return kind_ == k; }
  bool is_undefined() const noexcept { return kind_ == jinja::kind::undefined; }
  bool is_none() const noexcept { return kind_ == jinja::kind::none; }
  bool is_string() const noexcept { return kind_ == jinja::kind::string; }
  bool is_sequence() const noexcept { return kind_ == jinja::kind::list || kind_ == jinja::kind::tuple; }
  /// int or bool, as isinstance(x, int) has it.
  bool is_integral() const noexcept { return kind_ == jinja::kind::integer || kind_ == jinja::kind::boolean; }
  bool is_number() const noexcept { return is_integral() || kind_ == jinja::kind::floating; }

  std::int64_t integer() const noexcept { return integer_; }  // also the 0 or 1 of a bool
  double number() const noexcept { return kind_ == jinja::kind::floating ? floating_ : static_cast<double>(integer_); }
  const std::string& text() const noexcept;
  const std::vector<value>& items() const noexcept;
  const dict_object& entries() const noexcept;

  object* shared() const noexcept { return shared_.get(); }
  template <class T>
  T& as() const noexcept {
    return static_cast<T&>(*shared_);
  }
  template <class T>
  std::shared_ptr<T> share() const noexcept {
    return std::static_pointer_cast<T>(shared_);
  }

 private:
  jinja::kind kind_ = jinja::kind::none;
  union {
    std::int64_t integer_;
    double floating_;
  };
  std::shared_ptr<object> shared_;
};

/// Values nest at most this deep: their destruction, comparison and printing recurse.
inline constexpr int max_nesting = 500;

struct string_object : object {
  explicit string_object(std::string s, bool is_markup = false)
      : text(std::move(s)), length(char_count(text)), markup(is_markup) {}
  const std::string text;
  const std::size_t length;  // code points
  const bool markup;         // markupsafe's Markup, made by `escape` and `safe`: what is added to it is escaped
  bool ascii() const { return length == text.size(); }
};

struct undefined_object : object {
  explicit undefined_object(std::string why) : message(std::move(why)) {}
  const std::string message;
};

inline int nesting(const value& v);

struct list_object : object {
  explicit list_object(std::vector<value> list) : items(std::move(list)) {
    depth = 1;
    for (const auto& item : items) depth = std::max(depth, 1 + nesting(item));
  }
  const std::vector<value> items;
  bool group = false;  // what groupby yields: a tuple with the names grouper and list
};

/// Insertion-ordered, with Python's equality of keys (1, 1.0 and True are one key).
struct dict_object : object {
  std::vector<std::pair<value, value>> items;
  const value* find(const value& key) const;
  const value* find(std::string_view key) const;
  void set(value key, value item);

 private:
  static constexpr std::size_t index_from = 16;  // shorter ones are searched
  std::size_t position(const value& key, std::size_t hash) const;
  void rehash();
  std::vector<std::size_t> hashes;
  std::vector<std::uint32_t> slots;  // open addressing; position + 1, 0 is free
};

struct range_object : object {
  range_object(std::int64_t a, std::int64_t b, std::int64_t s, std::int64_t n)
      : start(a), stop(b), step(s), length(n) {}
  const std::int64_t start, stop, step, length;
};

/// dict.keys(), .values(), .items()
struct view_object : object {
  enum part { keys, values, items };
  view_object(part p, value d) : what(p), dict(std::move(d)) { depth = 1 + nesting(dict); }
  const part what;
  const value dict;
};

/// A Python iterator: gives its items once, and computes them when asked.
struct iterator_object : object {
  explicit iterator_object(std::function<bool(value&)> f, const char* t = "generator") : next(std::move(f)), type(t) {}
  std::function<bool(value&)> next;
  const char* type;
};

struct arguments {
  std::vector<value> positional;
  std::vector<std::pair<std::string, value>> keyword;
};

struct callable_object : object {
  using function = std::function<value(runtime&, arguments&)>;
  callable_object(std::string n, function f, const char* t = "builtin_function_or_method")
      : name(std::move(n)), call(std::move(f)), type(t) {}
  const std::string name;
  function call;
  const char* type;
  std::vector<std::pair<const char*, value>> attributes;  // Macro.name, .arguments, ...
};

struct namespace_object : object {
  dict_object attributes;
};

struct opaque_object : object {
  virtual const char* type() const = 0;
  /// False where there is no such attribute.
  virtual bool attribute(runtime&, std::string_view name, value& out) = 0;
  virtual bool call(runtime&, arguments&, value&) { return false; }
  virtual std::int64_t length(runtime&) { return -1; }
};

inline bool is_markup(const value& v) { return v.is_string() && v.as<string_object>().markup; }

inline int nesting(const value& v) {
  const int depth = v.shared() ? v.shared()->depth : 0;
  if (depth >= max_nesting)
    throw template_error("chat template", "values are nested too deeply", joined("at most ", max_nesting, " levels"));
  return depth;
}

inline value::value(std::string s)
    : kind_(jinja::kind::string), integer_(0), shared_(std::make_shared<string_object>(std::move(s))) {}
inline value value::list(std::vector<value> items) {
  return {jinja::kind::list, std::make_shared<list_object>(std::move(items))};
}
inline value value::tuple(std::vector<value> items) {
  return {jinja::kind::tuple, std::make_shared<list_object>(std::move(items))};
}
inline value value::dict(std::vector<std::pair<value, value>> items) {
  auto out = std::make_shared<dict_object>();
  out->items.reserve(items.size());
  for (auto& [key, item] : items) out->set(std::move(key), std::move(item));
  return {jinja::kind::dict, std::move(out)};
}
inline const std::string& value::text() const noexcept { return as<string_object>().text; }
inline const std::vector<value>& value::items() const noexcept { return as<list_object>().items; }
inline const dict_object& value::entries() const noexcept { return as<dict_object>(); }

// ---- equality and hashing ----

/// Python's ==. Undefined equals Undefined; objects without an equality of their own are compared by identity.
inline bool equal(const value& a, const value& b) {
  if (a.is_number() && b.is_number()) {
    if (a.is_integral() && b.is_integral()) return a.integer() == b.integer();
    if (!a.is_integral() && !b.is_integral()) return a.number() == b.number();
    const double d = a.is_integral() ? b.number() : a.number();
    const std::int64_t i = a.is_integral() ? a.integer() : b.integer();
    return d >= -0x1p63 && d < 0x1p63 && std::trunc(d) == d && static_cast<std::int64_t>(d) == i;
  }
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case kind::undefined:
    case kind::none:
      return true;
    case kind::string:
      return a.text() == b.text();
    case kind::list:
    case kind::tuple: {
      if (a.shared() == b.shared()) return true;
      const auto &x = a.items(), &y = b.items();
      if (x.size() != y.size()) return false;
      for (std::size_t i = 0; i < x.size(); ++i)
        if (!equal(x[i], y[i])) return false;
      return true;
    }
    case kind::dict: {
      if (a.shared() == b.shared()) return true;
      const auto &x = a.entries(), &y = b.entries();
      if (x.items.size() != y.items.size()) return false;
      for (const auto& [key, item] : x.items) {
        const value* other = y.find(key);
        if (!other || !equal(item, *other)) return false;
      }
      return true;
    }
    case kind::range: {
      const auto &x = a.as<range_object>(), &y = b.as<range_object>();
      return x.length == y.length && (x.length == 0 || (x.start == y.start && (x.length == 1 || x.step == y.step)));
    }
    case kind::view: {  // values() alone has no equality of its own
      const auto &x = a.as<view_object>(), &y = b.as<view_object>();
      if (x.what != y.what || x.what == view_object::values) return a.shared() == b.shared();
      const auto &entries = x.dict.entries(), &others = y.dict.entries();
      if (x.what == view_object::items) return equal(x.dict, y.dict);
      return entries.items.size() == others.items.size() &&
             std::all_of(entries.items.begin(), entries.items.end(),
                         [&](const auto& entry) { return others.find(entry.first) != nullptr; });
    }
    default:
      return a.shared() == b.shared();
  }
}

/// False for lists and dicts, and for tuples that hold one.
inline bool hashable(const value& v) {
  if (v.is(kind::list) || v.is(kind::dict) || v.is(kind::view)) return false;
  if (v.is(kind::tuple))
    for (const auto& item : v.items())
      if (!hashable(item)) return false;
  return true;
}

inline std::size_t hash(const value& v) {
  switch (v.kind()) {
    case kind::string:
      return std::hash<std::string_view>()(v.text());
    case kind::boolean:
    case kind::integer:
      return std::hash<double>()(static_cast<double>(v.integer()));
    case kind::floating:
      return std::hash<double>()(v.number());
    case kind::tuple: {
      std::size_t h = 17;
      for (const auto& item : v.items()) h = h * 1000003 ^ hash(item);
      return h;
    }
    case kind::range:
      return static_cast<std::size_t>(v.as<range_object>().length);
    case kind::undefined:
    case kind::none:
      return 1;
    default:
      return std::hash<const void*>()(v.shared());
  }
}

inline std::size_t dict_object::position(const value& key, std::size_t h) const {
  if (slots.empty()) {
    for (std::size_t i = 0; i < items.size(); ++i)
      if (equal(items[i].first, key)) return i;
    return items.size();
  }
  for (std::size_t at = h & (slots.size() - 1); slots[at]; at = (at + 1) & (slots.size() - 1)) {
    const std::size_t i = slots[at] - 1;
    if (hashes[i] == h && equal(items[i].first, key)) return i;
  }
  return items.size();
}

inline const value* dict_object::find(const value& key) const {
  const std::size_t i = position(key, slots.empty() ? 0 : hash(key));
  return i < items.size() ? &items[i].second : nullptr;
}

inline const value* dict_object::find(std::string_view key) const {
  if (slots.empty()) {
    for (const auto& [k, item] : items)
      if (k.is_string() && k.text() == key) return &item;
    return nullptr;
  }
  const std::size_t h = std::hash<std::string_view>()(key);
  for (std::size_t at = h & (slots.size() - 1); slots[at]; at = (at + 1) & (slots.size() - 1)) {
    const auto& [k, item] = items[slots[at] - 1];
    if (hashes[slots[at] - 1] == h && k.is_string() && k.text() == key) return &item;
  }
  return nullptr;
}

inline void dict_object::rehash() {
  std::size_t size = 64;
  while (size < items.size() * 3) size *= 2;
  hashes.resize(items.size());
  slots.assign(size, 0);
  for (std::size_t i = 0; i < items.size(); ++i) {
    hashes[i] = hash(items[i].first);
    std::size_t at = hashes[i] & (size - 1);
    while (slots[at]) at = (at + 1) & (size - 1);
    slots[at] = static_cast<std::uint32_t>(i + 1);
  }
}

inline void dict_object::set(value key, value item) {
  depth = std::max(depth, 1 + std::max(nesting(key), nesting(item)));
  const std::size_t h = slots.empty() ? 0 : hash(key);
  const std::size_t i = position(key, h);
  if (i < items.size()) {
    items[i].second = std::move(item);
    return;
  }
  items.emplace_back(std::move(key), std::move(item));
  if (slots.empty() ? items.size() > index_from : items.size() * 3 > slots.size() * 2) {
    rehash();
  } else if (!slots.empty()) {
    hashes.push_back(h);
    std::size_t at = h & (slots.size() - 1);
    while (slots[at]) at = (at + 1) & (slots.size() - 1);
    slots[at] = static_cast<std::uint32_t>(items.size());
  }
}

}  // namespace hft::detail::jinja
