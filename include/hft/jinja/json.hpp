// JSON out of a template: the filter tojson as Transformers defines it.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/jinja/from_json.hpp>
#include <hft/jinja/operations.hpp>

namespace hft::detail::jinja {

/// json.dumps
struct json_writer {
  runtime& rt;
  bool ensure_ascii = false, sort_keys = false, indented = false;
  std::string indent = {}, item_separator = ", ", key_separator = ": ";
  std::string out = {};

  void write(const value& v, int depth = 0) {
    rt.spend();
    switch (v.kind()) {
      case kind::none:
        out += "null";
        break;
      case kind::boolean:
        out += v.integer() ? "true" : "false";
        break;
      case kind::integer:
        append(out, v.integer());
        break;
      case kind::floating:
        out += number(v.number());
        break;
      case kind::string:
        write_string(v.text());
        break;
      case kind::list:
      case kind::tuple: {
        if (v.items().empty()) {
          out += "[]";
          break;
        }
        out += '[';
        for (std::size_t i = 0; i < v.items().size(); ++i) {
          if (i) out += item_separator;
          new_line(depth + 1);
          write(v.items()[i], depth + 1);
        }
        new_line(depth);
        out += ']';
        break;
      }
      case kind::dict:
        write_dict(v, depth);
        break;
      default:
        runtime::fail(cat("Object of type ", type_name(v), " is not JSON serializable"));
    }
    rt.check_length(out.size());
  }

 private:
  static std::string number(double d) {
    if (std::isnan(d)) return "NaN";
    if (std::isinf(d)) return d < 0 ? "-Infinity" : "Infinity";
    return float_text(d);
  }

  void new_line(int depth) {
    if (!indented) return;
    out += '\n';
    for (int i = 0; i < depth; ++i) {
      out += indent;
      rt.check_length(out.size());
    }
  }

  void write_dict(const value& v, int depth) {
    std::vector<std::pair<value, value>> items = v.entries().items;
    if (items.empty()) {
      out += "{}";
      return;
    }
    if (sort_keys)
      std::stable_sort(items.begin(), items.end(),
                       [&](const auto& a, const auto& b) { return less(rt, a.first, b.first); });
    out += '{';
    bool first = true;
    for (const auto& [key, item] : items) {
      if (!std::exchange(first, false)) out += item_separator;
      new_line(depth + 1);
      write_string(key_text(key));
      out += key_separator;
      write(item, depth + 1);
    }
    new_line(depth);
    out += '}';
  }

  static std::string key_text(const value& key) {
    switch (key.kind()) {
      case kind::string:
        return key.text();
      case kind::none:
        return "null";
      case kind::boolean:
        return key.integer() ? "true" : "false";
      case kind::integer:
        return cat(key.integer());
      case kind::floating:
        return number(key.number());
      default:
        runtime::fail(cat("keys must be str, int, float, bool or None, not ", type_name(key)));
    }
  }

  void write_string(std::string_view s) {
    rt.spend_bytes(s.size());
    out += '"';
    for (std::size_t i = 0; i < s.size();) {
      const auto c = static_cast<unsigned char>(s[i]);
      switch (c) {
        case '"':
          out += "\\\"";
          break;
        case '\\':
          out += "\\\\";
          break;
        case '\n':
          out += "\\n";
          break;
        case '\r':
          out += "\\r";
          break;
        case '\t':
          out += "\\t";
          break;
        case '\f':
          out += "\\f";
          break;
        case '\b':
          out += "\\b";
          break;
        default:
          if (c < 0x20 || (ensure_ascii && c == 0x7F)) {
            out += "\\u";
            append_hex(out, c, 4);
          } else if (c < 0x80 || !ensure_ascii) {
            out += s[i];
          } else {
            char32_t u = next_char(s, i);
            if (u >= 0x10000) {
              u -= 0x10000;
              out += "\\u";
              append_hex(out, 0xD800 + (u >> 10), 4);
              u = 0xDC00 + (u & 0x3FF);
            }
            out += "\\u";
            append_hex(out, u, 4);
            continue;
          }
      }
      ++i;
    }
    out += '"';
  }
};

}  // namespace hft::detail::jinja
