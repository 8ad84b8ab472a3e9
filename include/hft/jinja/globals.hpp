// The functions that every template finds: range, dict, namespace, cycler, joiner, raise_exception, strftime_now.
#pragma once
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/jinja/methods.hpp>

namespace hft::detail::jinja {

/// What raise_exception throws: its message reaches the caller as it is.
struct raised_exception {
  std::string message;
};

/// datetime.now().strftime(format) in the C locale.
inline std::string format_time(runtime& rt, std::string format) {
  const std::time_t now = rt.clock ? rt.clock() : std::time(nullptr);
  std::tm local{};
#ifdef _WIN32
  localtime_s(&local, &now);
#else
  localtime_r(&now, &local);
#endif
  std::string plain;  // the directives that Python answers itself, for a time without a zone
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 == format.size()) {
      plain += format[i];
    } else if (const char c = format[++i]; c == 'f') {
      plain += "000000";
    } else if (c != 'z' && c != 'Z') {
      if (c >= '0' && c <= '9') runtime::fail("field widths are not supported in strftime_now");
      plain += '%';
      plain += c;
    }
  }
  if (plain.empty()) return plain;
  plain += ' ';  // an empty result must differ from a result that does not fit
  std::string out(std::min<std::size_t>(plain.size() * 32 + 64, rt.limits.output_bytes), '\0');
  const std::size_t n = std::strftime(out.data(), out.size(), plain.c_str(), &local);
  if (n == 0) runtime::fail("the result of strftime_now is too long");
  out.resize(n - 1);
  return out;
}

inline value make_dict(runtime& rt, const arguments& args, const char* where) {
  std::vector<std::pair<value, value>> items;
  if (args.positional.size() > 1)
    runtime::fail(cat(where, " expected at most 1 argument, got ", args.positional.size()));
  if (!args.positional.empty()) {
    const value& from = args.positional[0];
    if (from.is(kind::dict)) {
      items = from.entries().items;
    } else {
      cursor each(rt, from);
      for (value pair; each.next(pair);) {
        std::vector<value> both = to_items(rt, pair);
        if (both.size() != 2)
          runtime::fail(cat("dictionary update sequence element has length ", both.size(), "; 2 is required"));
        items.emplace_back(std::move(both[0]), std::move(both[1]));
      }
    }
  }
  for (const auto& [key, item] : args.keyword) items.emplace_back(rt.str(key), item);
  return rt.dict(std::move(items));
}

inline value dict_from_keys(runtime& rt, arguments& args) {
  const bound p(rt, "fromkeys", args, {"", ""}, 1);
  std::vector<std::pair<value, value>> items;
  cursor each(rt, p[0]);
  for (value key; each.next(key);) items.emplace_back(key, p[1]);
  return rt.dict(std::move(items));
}

inline void check_namespace_name(std::string_view name) {
  if (name.starts_with("_"))
    runtime::fail(cat("Chat templates cannot store underscore-prefixed attributes on a namespace, but got ", repr(name),
                      ". Please rename the attribute."));
}

inline value make_namespace(runtime& rt, arguments& args) {
  const value from = make_dict(rt, args, "namespace");
  auto out = rt.make_namespace();
  for (const auto& [key, item] : from.entries().items) {
    if (key.is_string()) check_namespace_name(key.text());
    out->attributes.set(key, item);
  }
  out->attributes.depth = 0;
  return {kind::name_space, std::move(out)};
}

inline value make_range(runtime& rt, arguments& args) {
  const bound p(rt, "range", args, {"", "", ""}, 1);
  const std::int64_t start = p.has(1) ? index_argument(p[0]) : 0, stop = index_argument(p.has(1) ? p[1] : p[0]);
  const std::int64_t step = p.has(2) ? index_argument(p[2]) : 1;
  if (step == 0) runtime::fail("range() arg 3 must not be zero");
  std::uint64_t n = 0;
  if (step > 0 && start < stop)
    n = (static_cast<std::uint64_t>(stop) - static_cast<std::uint64_t>(start) - 1) / static_cast<std::uint64_t>(step) +
        1;
  if (step < 0 && stop < start)
    n = (static_cast<std::uint64_t>(start) - static_cast<std::uint64_t>(stop) - 1) /
            (0 - static_cast<std::uint64_t>(step)) +
        1;
  if (n > 100000) runtime::fail("Range too big. The sandbox blocks ranges larger than MAX_RANGE (100000).");
  return {kind::range, std::make_shared<range_object>(start, stop, step, static_cast<std::int64_t>(n))};
}

/// cycler(a, b, ...): .next(), .current, .reset()
struct cycler_object : opaque_object, std::enable_shared_from_this<cycler_object> {
  explicit cycler_object(std::vector<value> v) : items(std::move(v)) {
    for (const auto& item : items) depth = std::max(depth, 1 + nesting(item));
  }
  const char* type() const override { return "Cycler"; }
  bool attribute(runtime& rt, std::string_view name, value& out) override {
    if (name == "current") {
      out = items[position];
    } else if (name == "items") {
      out = rt.tuple(items);
    } else if (name == "pos") {
      out = value(position);
    } else if (name == "next" || name == "__next__" || name == "reset") {
      out = rt.callable(std::string(name),
                        [self = shared_from_this(), reset = name == "reset"](runtime& r, arguments& args) {
                          bound(r, "cycler", args, {});
                          if (reset) return self->position = 0, value();
                          const value current = self->items[self->position];
                          self->position = (self->position + 1) % self->items.size();
                          return current;
                        });
      out.shared()->depth = 1 + depth;
    } else {
      return false;
    }
    return true;
  }
  const std::vector<value> items;
  std::size_t position = 0;
};

inline value make_cycler(runtime& rt, arguments& args) {
  if (args.positional.empty() || !args.keyword.empty()) runtime::fail("at least one item has to be provided");
  rt.spend(args.positional.size());
  return {kind::opaque, std::make_shared<cycler_object>(args.positional)};
}

inline value make_joiner(runtime& rt, arguments& args) {
  const bound p(rt, "joiner", args, {"sep"});
  value by = p.has(0) ? p[0] : rt.str(", ");
  const int depth = 1 + nesting(by);
  value out = rt.callable("joiner", [by = std::move(by), used = false](runtime& r, arguments& none) mutable -> value {
    bound(r, "joiner", none, {});
    return std::exchange(used, true) ? by : r.str("");
  });
  out.shared()->depth = depth;
  return out;
}

/// A global function by name; false where there is none.
inline bool find_global(runtime& rt, std::string_view name, value& out) {
  using function = value (*)(runtime&, arguments&);
  static constexpr std::pair<std::string_view, function> table[] = {
      {"range", make_range},
      {"dict", [](runtime& r, arguments& args) { return make_dict(r, args, "dict"); }},
      {"namespace", make_namespace},
      {"cycler", make_cycler},
      {"joiner", make_joiner},
      {"raise_exception",
       [](runtime& r, arguments& args) -> value {
         const bound p(r, "raise_exception", args, {"message"}, 1);
         throw raised_exception{to_str(r, p[0])};
       }},
      {"strftime_now",
       [](runtime& r, arguments& args) {
         const bound p(r, "strftime_now", args, {"format"}, 1);
         return r.str(format_time(r, string_argument("strftime()", p[0])));
       }},
      {"lipsum", [](runtime&, arguments&) -> value { runtime::fail("lipsum is not supported"); }},
  };
  for (const auto& [known, f] : table)
    if (known == name) {
      out = rt.callable(std::string(name), f, "function");
      if (name == "dict")
        out.as<callable_object>().attributes.emplace_back("fromkeys", rt.callable("fromkeys", dict_from_keys));
      return true;
    }
  return false;
}

}  // namespace hft::detail::jinja
