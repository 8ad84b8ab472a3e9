// The state of one rendering: what the template may still spend, where it is, and how values are made and errors told.
#pragma once
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/jinja/limits.hpp>
#include <hft/jinja/value.hpp>

namespace hft::detail::jinja {

/// A failure inside the template, on its way to where the line is known.
struct failure {
  std::string message;
};

class runtime {
 public:
  explicit runtime(const template_limits& l) : limits(l) {}
  runtime(const runtime&) = delete;
  runtime& operator=(const runtime&) = delete;
  ~runtime() {  // namespaces may hold themselves; a chain of them must not be destroyed by recursion
    for (auto& n : namespaces) {
      auto items = std::move(n->attributes.items);
      items.clear();
    }
  }

  [[noreturn]] static void fail(std::string message) { throw failure{std::move(message)}; }

  // ---- limits ----
  void spend(std::size_t n = 1) {
    if ((steps += n) > limits.steps) fail(cat("the template takes more than ", limits.steps, " steps"));
  }
  /// Pays for work over n bytes.
  void spend_bytes(std::size_t n) { spend(1 + n / 64); }
  void check_length(std::size_t bytes) const {
    if (bytes > limits.output_bytes) fail(cat("a string is longer than ", limits.output_bytes, " bytes"));
  }
  void charge(object& o, std::size_t bytes) {
    if (memory.live + bytes > limits.memory_bytes)
      fail(cat("the template holds more than ", limits.memory_bytes, " bytes"));
    o.owner = &memory;
    o.bytes = bytes;
    memory.live += bytes;
  }

  // ---- values ----
  value str(std::string s, bool markup = false) {
    check_length(s.size());
    spend_bytes(s.size());
    auto o = std::make_shared<string_object>(std::move(s), markup);
    charge(*o, sizeof(string_object) + o->text.capacity());
    return {kind::string, std::move(o)};
  }
  value str(std::string_view s, bool markup = false) { return str(std::string(s), markup); }
  value str(const char* s) { return str(std::string(s)); }
  value list(std::vector<value> items, kind k = kind::list) {
    spend(1 + items.size());
    auto o = std::make_shared<list_object>(std::move(items));
    charge(*o, sizeof(list_object) + o->items.capacity() * sizeof(value));
    return {k, std::move(o)};
  }
  value tuple(std::vector<value> items) { return list(std::move(items), kind::tuple); }
  value dict(std::vector<std::pair<value, value>> items) {
    spend(1 + items.size());
    for (const auto& [key, item] : items)
      if (!hashable(key)) fail("a list or dict cannot be the key of a dict");
    value d = value::dict(std::move(items));
    charge(*d.shared(), sizeof(dict_object) + d.entries().items.capacity() * (2 * sizeof(value) + 24));
    return d;
  }
  value undefined(std::string message) {
    return {kind::undefined, std::make_shared<undefined_object>(std::move(message))};
  }
  value view(view_object::part part, const value& d) { return {kind::view, std::make_shared<view_object>(part, d)}; }
  /// `source` is what `next` reads from.
  value iterator(const value& source, std::function<bool(value&)> next, const char* type = "generator") {
    spend();
    auto o = std::make_shared<iterator_object>(std::move(next), type);
    charge(*o, 256);
    o->depth = 1 + nesting(source);
    return {kind::iterator, std::move(o)};
  }
  value callable(std::string name, callable_object::function f, const char* type = "builtin_function_or_method") {
    spend();
    auto o = std::make_shared<callable_object>(std::move(name), std::move(f), type);
    charge(*o, 256);
    return {kind::callable, std::move(o)};
  }
  /// A method bound to `self`.
  value method(const value& self, std::string_view name, value (*f)(runtime&, const value&, arguments&)) {
    value m = callable(std::string(name), [self, f](runtime& rt, arguments& args) { return f(rt, self, args); });
    m.shared()->depth = 1 + nesting(self);
    return m;
  }
  std::shared_ptr<namespace_object> make_namespace() {
    auto n = std::make_shared<namespace_object>();
    charge(*n, 256);
    namespaces.push_back(n);
    return n;
  }

  account memory;  // outlives every value below
  const template_limits limits;
  std::size_t steps = 0;
  int depth = 0;
  int line = 1;                        // of the node that is evaluated
  std::function<std::time_t()> clock;  // of strftime_now; empty: the system's

 private:
  std::vector<std::shared_ptr<namespace_object>> namespaces;
};

/// One more level of evaluation, given back at the end of the scope.
class level {
 public:
  explicit level(runtime& rt) : rt_(rt) {
    if (++rt_.depth > rt_.limits.depth) {
      --rt_.depth;
      runtime::fail(cat("the template nests more than ", rt_.limits.depth, " evaluations"));
    }
  }
  ~level() { --rt_.depth; }
  level(const level&) = delete;
  level& operator=(const level&) = delete;

 private:
  runtime& rt_;
};

/// Arguments by parameter name, as Python binds them. `names` may end in "" entries for positional-only parameters.
class bound {
 public:
  bound(runtime&, const char* function, const arguments& args, std::initializer_list<const char*> names,
        std::size_t required = 0)
      : values_(names.size(), nullptr) {
    if (args.positional.size() > names.size())
      runtime::fail(cat(function, "() takes at most ", names.size(), " arguments, got ", args.positional.size()));
    for (std::size_t i = 0; i < args.positional.size(); ++i) values_[i] = &args.positional[i];
    for (const auto& [name, item] : args.keyword) {
      std::size_t i = 0;
      while (i < names.size() && (names.begin()[i][0] == '\0' || name != names.begin()[i])) ++i;
      if (i == names.size()) runtime::fail(cat(function, "() got an unexpected keyword argument '", name, "'"));
      if (values_[i]) runtime::fail(cat(function, "() got multiple values for argument '", name, "'"));
      values_[i] = &item;
    }
    for (std::size_t i = 0; i < required; ++i)
      if (!values_[i]) {
        const char* name = names.begin()[i];
        runtime::fail(
            cat(function, "() is missing its argument ", name[0] ? std::string_view(name) : "", " (", i + 1, ")"));
      }
  }
  bool has(std::size_t i) const { return values_[i] != nullptr; }
  /// The argument, or None where it was not given.
  const value& operator[](std::size_t i) const {
    static const value none;
    return values_[i] ? *values_[i] : none;
  }

 private:
  std::vector<const value*> values_;
};

}  // namespace hft::detail::jinja
