// The tests of jinja2: `x is NAME`.
#pragma once
#include <string_view>
#include <unordered_map>

#include <hft/jinja/methods.hpp>

namespace hft::detail::jinja {

using test_function = bool (*)(runtime&, const value&, arguments&);

bool is_known_filter(std::string_view name);
bool is_known_test(std::string_view name);

template <class Compare>
bool operand_test(runtime& rt, const value& v, arguments& args, Compare compare) {
  const bound p(rt, "test", args, {""}, 1);
  return compare(rt, v, p[0]);
}

template <int Remainder>
bool parity_test(runtime& rt, const value& v, arguments& args) {
  bound(rt, "test", args, {});
  return equals(rt, modulo(rt, v, value(2)), value(Remainder));
}

/// `x is filter`: whether a dict of jinja2 has that key.
template <bool (*Known)(std::string_view)>
bool name_test(runtime& rt, const value& v, arguments& args) {
  bound(rt, "test", args, {});
  if (!hashable(v)) runtime::fail(cat("unhashable type: '", type_name(v), "'"));
  return v.is_string() && Known(v.text());
}

/// The tests that look at their subject only.
inline const std::unordered_map<std::string_view, bool (*)(const value&)>& plain_tests() {
  using v = const value&;
  static const std::unordered_map<std::string_view, bool (*)(const value&)> table = {
      {"defined", [](v x) { return !x.is_undefined(); }},
      {"undefined", [](v x) { return x.is_undefined(); }},
      {"none", [](v x) { return x.is_none(); }},
      {"boolean", [](v x) { return x.is(kind::boolean); }},
      {"true", [](v x) { return x.is(kind::boolean) && x.integer() != 0; }},
      {"false", [](v x) { return x.is(kind::boolean) && x.integer() == 0; }},
      {"integer", [](v x) { return x.is(kind::integer); }},
      {"float", [](v x) { return x.is(kind::floating); }},
      {"number", [](v x) { return x.is_number(); }},
      {"string", [](v x) { return x.is_string(); }},
      {"mapping", [](v x) { return x.is(kind::dict); }},
      {"iterable", [](v x) { return iterable(x); }},
      {"escaped", [](v x) { return is_markup(x); }},
      {"callable",  // Undefined has a __call__, which raises
       [](v x) {
         if (x.is(kind::opaque)) return std::string_view(x.as<opaque_object>().type()) != "Cycler";
         return x.is(kind::callable) || x.is_undefined();
       }},
      {"sequence",
       [](v x) {
         return x.is_string() || x.is_sequence() || x.is(kind::dict) || x.is(kind::range) || x.is_undefined();
       }},
  };
  return table;
}

inline const std::unordered_map<std::string_view, test_function>& tests() {
  using v = const value&;
  using a = arguments&;
  static const std::unordered_map<std::string_view, test_function> table = [] {
    std::unordered_map<std::string_view, test_function> t = {
        {"odd", parity_test<1>},
        {"even", parity_test<0>},
        {"divisibleby",
         [](runtime& rt, v x, a args) {
           const bound p(rt, "divisibleby", args, {"num"}, 1);
           return equals(rt, modulo(rt, x, p[0]), value(0));
         }},
        {"lower", [](runtime& rt, v x, a args) { return bound(rt, "lower", args, {}), is_lower_text(to_str(rt, x)); }},
        {"upper", [](runtime& rt, v x, a args) { return bound(rt, "upper", args, {}), is_upper_text(to_str(rt, x)); }},
        {"filter", name_test<is_known_filter>},
        {"test", name_test<is_known_test>},
        {"sameas",
         [](runtime& rt, v x, a args) {
           return operand_test(rt, x, args, [](runtime&, v p, v q) {
             if (p.kind() != q.kind()) return false;
             return p.shared() && !p.is_string() ? p.shared() == q.shared() : equal(p, q);
           });
         }},
        {"in",
         [](runtime& rt, v x, a args) {
           return operand_test(rt, x, args, [](runtime& r, v p, v q) { return contains(r, q, p); });
         }},
    };
    const auto add = [&](std::initializer_list<const char*> names, test_function f) {
      for (const char* name : names) t.emplace(name, f);
    };
    add({"==", "eq", "equalto"}, [](runtime& rt, v x, a args) { return operand_test(rt, x, args, equals); });
    add({"!=", "ne"}, [](runtime& rt, v x, a args) { return !operand_test(rt, x, args, equals); });
    add({"<", "lt", "lessthan"}, [](runtime& rt, v x, a args) {
      return operand_test(rt, x, args, [](runtime& r, v p, v q) { return less(r, p, q); });
    });
    add({"<=", "le"}, [](runtime& rt, v x, a args) {
      return operand_test(rt, x, args, [](runtime& r, v p, v q) { return less_equal(r, p, q); });
    });
    add({">", "gt", "greaterthan"}, [](runtime& rt, v x, a args) {
      return operand_test(rt, x, args, [](runtime& r, v p, v q) { return less(r, q, p, ">"); });
    });
    add({">=", "ge"}, [](runtime& rt, v x, a args) {
      return operand_test(rt, x, args, [](runtime& r, v p, v q) { return less_equal(r, q, p, ">="); });
    });
    return t;
  }();
  return table;
}

inline bool is_known_test(std::string_view name) { return tests().count(name) || plain_tests().count(name); }

inline bool call_test(runtime& rt, std::string_view name, const value& subject, arguments& args) {
  if (const auto it = plain_tests().find(name); it != plain_tests().end()) {
    bound(rt, "test", args, {});
    return it->second(subject);
  }
  const auto it = tests().find(name);
  if (it == tests().end()) runtime::fail(cat("No test named '", name, "'."));
  return it->second(rt, subject, args);
}

}  // namespace hft::detail::jinja
