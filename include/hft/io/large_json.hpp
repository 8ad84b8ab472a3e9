// JSON files of megabytes (tokenizer.json), parsed in milliseconds and read through simdjson's DOM. The one header that
// includes simdjson; a program that uses it links with -lsimdjson. Configurations are json.hpp's.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// Only the DOM is used here, whose code is in the library and picks the machine's instructions at run time. The
// header's other half, one copy of the On Demand parser per instruction set, costs compile time and does not pass nvcc.
#ifndef SIMDJSON_H
#define SIMDJSON_IMPLEMENTATION_ICELAKE 0
#define SIMDJSON_IMPLEMENTATION_HASWELL 0
#define SIMDJSON_IMPLEMENTATION_WESTMERE 0
#define SIMDJSON_IMPLEMENTATION_ARM64 0
#define SIMDJSON_IMPLEMENTATION_PPC64 0
#define SIMDJSON_IMPLEMENTATION_FALLBACK 1
#endif
#include <simdjson.h>

#include <hft/error.hpp>
#include <hft/io/json.hpp>
#include <hft/io/mapped_file.hpp>
#include <hft/io/utf8.hpp>

namespace hft {

namespace detail {

/// Finds a key that an object has twice, in time linear in the number of keys of the whole document.
class duplicate_finder {
 public:
  /// `trusted` is the path of an object that the reader checks, with all that is in it.
  explicit duplicate_finder(std::string_view trusted = {}) : trusted_(trusted) {}

  /// The path of a key that `root` or anything below it has twice. The depth is bounded by the parser's.
  std::optional<std::string> find(simdjson::dom::element root) { return find(root, 0); }

 private:
  // `known` bytes of trusted_ lead here; npos: this is not on the way there. Paths are put together once there is
  // something to tell.
  std::optional<std::string> find(simdjson::dom::element value, std::size_t known) {
    simdjson::dom::object object;
    simdjson::dom::array array;
    if (value.get(object) == simdjson::SUCCESS) {
      if (!trusted_.empty() && known == trusted_.size()) return {};
      if (const auto twice = duplicate(object)) return std::string(*twice);
      for (const auto field : object)
        if (field.value.is_object() || field.value.is_array())
          if (auto path = find(field.value, step(known, field.key)))
            return cat(field.key, path->starts_with('[') ? "" : ".", *path);
    } else if (value.get(array) == simdjson::SUCCESS) {
      std::size_t i = 0;
      for (const auto element : array) {
        if (element.is_object() || element.is_array())
          if (auto path = find(element, std::string_view::npos))
            return cat("[", i, path->starts_with('[') ? "]" : "].", *path);
        ++i;
      }
    }
    return {};
  }
  std::size_t step(std::size_t known, std::string_view key) const {
    if (known == std::string_view::npos) return known;
    if (known != 0) ++known;  // a dot
    if (known > trusted_.size() || !trusted_.substr(known).starts_with(key)) return std::string_view::npos;
    known += key.size();
    return known == trusted_.size() || trusted_[known] == '.' ? known : std::string_view::npos;
  }

  std::optional<std::string_view> duplicate(simdjson::dom::object object) {
    keys_.clear();
    for (const auto field : object) keys_.push_back(field.key);
    if (keys_.size() <= 8) {
      for (std::size_t i = 1; i < keys_.size(); ++i)
        for (std::size_t k = 0; k < i; ++k)
          if (keys_[i] == keys_[k]) return keys_[i];
      return {};
    }
    // Open addressing in a table at most half full, which holds 1 + the key's position.
    std::size_t slots = 16;
    while (slots < 2 * keys_.size()) slots *= 2;
    table_.assign(slots, 0);
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      std::size_t at = std::hash<std::string_view>{}(keys_[i]) & (slots - 1);
      // Honest keys need a probe or two. Keys made to collide must not make this quadratic: they are sorted instead.
      for (int probes = 0; table_[at] != 0; at = (at + 1) & (slots - 1)) {
        if (keys_[table_[at] - 1] == keys_[i]) return keys_[i];
        if (++probes > 256) return duplicate_by_sorting();
      }
      table_[at] = std::uint32_t(i + 1);  // simdjson's documents stay below 4 GB, so do their keys
    }
    return {};
  }
  std::optional<std::string_view> duplicate_by_sorting() {
    std::sort(keys_.begin(), keys_.end());
    const auto twice = std::adjacent_find(keys_.begin(), keys_.end());
    return twice != keys_.end() ? std::optional(*twice) : std::nullopt;
  }

  std::string_view trusted_;
  std::vector<std::string_view> keys_;
  std::vector<std::uint32_t> table_;
};

}  // namespace detail

/// A parsed JSON document. Elements and string_views taken from it are valid while it lives; it can be moved.
class large_json {
 public:
  /// Reads and parses a file. Throws file_error where it cannot be read, format_error (with line, byte and path) where
  /// it is malformed, has bad UTF-8, nests deeper than `max_depth`, or gives a key twice in one object.
  /// `trusted` is the path of an object ("model.vocab") that the reader checks itself.
  static large_json open(const std::filesystem::path& path, std::size_t max_depth = json_max_depth,
                         std::string_view trusted = {}) {
    const auto file = mapped_file::open(path);
    return parse(file->text(), path.string(), max_depth, trusted);
  }
  /// The same for text in memory, which is not needed afterwards; `where` names it in errors.
  static large_json parse(std::string_view text, std::string where, std::size_t max_depth = json_max_depth,
                          std::string_view trusted = {}) {
    large_json out;
    out.where_ = std::move(where);
    out.parser_ = std::make_unique<simdjson::dom::parser>();
    // simdjson copies the text even where there is none, from a pointer that may be null. It counts a scalar as a
    // level.
    simdjson::error_code code = text.empty() ? simdjson::EMPTY : out.parser_->allocate(text.size(), max_depth + 1);
    if (code == simdjson::SUCCESS) code = out.parser_->parse(text.data(), text.size()).get(out.root_);
    if (code != simdjson::SUCCESS) {
      // simdjson does not say where; the careful parser does. Should it accept the text, simdjson's reason stands.
      parse_json(text, out.where_, max_depth);
      throw format_error(out.where_, simdjson::error_message(code));
    }
    if (const auto twice = detail::duplicate_finder(trusted).find(out.root_))
      throw format_error(out.where_, "JSON key " + detail::quote_text(*twice) + " appears twice");
    return out;
  }

  simdjson::dom::element root() const noexcept { return root_; }
  const std::string& where() const noexcept { return where_; }

 private:
  large_json() = default;

  std::string where_;
  std::unique_ptr<simdjson::dom::parser> parser_;  // elements point to it, so it must not move
  simdjson::dom::element root_;
};

// Typed access. `where` says which value it is in errors: "tokenizer.json: model.vocab".

namespace detail {

inline std::string_view describe(simdjson::dom::element value) {
  switch (value.type()) {
    case simdjson::dom::element_type::ARRAY:
      return "an array";
    case simdjson::dom::element_type::OBJECT:
      return "an object";
    case simdjson::dom::element_type::STRING:
      return "a string";
    case simdjson::dom::element_type::BOOL:
      return "a boolean";
    case simdjson::dom::element_type::NULL_VALUE:
      return "null";
    default:
      return "a number";
  }
}

template <class T>
T large_json_as(simdjson::dom::element value, std::string_view where, std::string_view expected) {
  T out;
  if (value.get(out) != simdjson::SUCCESS)
    throw format_error(std::string(where), "", std::string(expected), std::string(describe(value)));
  return out;
}

}  // namespace detail

inline std::string_view as_string(simdjson::dom::element value, std::string_view where) {
  return detail::large_json_as<std::string_view>(value, where, "a string");
}
inline std::int64_t as_i64(simdjson::dom::element value, std::string_view where) {
  return detail::large_json_as<std::int64_t>(value, where, "an integer of 64 bits");
}
/// Any number, an integer too.
inline double as_f64(simdjson::dom::element value, std::string_view where) {
  return detail::large_json_as<double>(value, where, "a number");
}
inline bool as_bool(simdjson::dom::element value, std::string_view where) {
  return detail::large_json_as<bool>(value, where, "a boolean");
}
inline simdjson::dom::array as_array(simdjson::dom::element value, std::string_view where) {
  return detail::large_json_as<simdjson::dom::array>(value, where, "an array");
}
inline simdjson::dom::object as_object(simdjson::dom::element value, std::string_view where) {
  return detail::large_json_as<simdjson::dom::object>(value, where, "an object");
}
/// The member `key` of an object, or nothing where it is absent or null. Linear in the object's size.
inline std::optional<simdjson::dom::element> find_member(simdjson::dom::element value, std::string_view key,
                                                         std::string_view where) {
  simdjson::dom::element member;
  if (as_object(value, where).at_key(key).get(member) != simdjson::SUCCESS || member.is_null()) return {};
  return member;
}
/// The member `key` of an object. Throws format_error where it is absent or null.
inline simdjson::dom::element require_member(simdjson::dom::element value, std::string_view key,
                                             std::string_view where) {
  if (const auto member = find_member(value, key, where)) return *member;
  throw format_error(std::string(where), detail::joined("'", key, "' is missing"));
}

}  // namespace hft
