// Command lines and JSON objects to structs of arguments, as transformers.HfArgumentParser reads them.
//
// A struct of arguments lists its fields once, as configs do (models/config.hpp):
//
//   template <class Self, class F>
//   static void fields(Self& a, F& field) { field("learning_rate", a.learning_rate); ... }
//
// A field is a bool, a number, a string, an enum with argument_choices(E), one of these as std::optional, a vector of
// strings or numbers, or json (an object or a string). On the command line `--name value` and `--name=value` set one,
// with hyphens for underscores if one likes; a bool needs no value, and one that is true by default is switched off by
// `--no_name`; a list takes all values up to the next option; null or None unset an optional. The last one wins.
#pragma once
#include <charconv>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <hft/dtype.hpp>
#include <hft/error.hpp>
#include <hft/io/json.hpp>
#include <hft/linkage.hpp>
#include <hft/nearest_name.hpp>

namespace hft {

namespace detail {

inline std::string_view switch_value(std::string_view text) {
  constexpr std::string_view yes[] = {"yes", "true", "t", "y", "1"}, no[] = {"no", "false", "f", "n", "0"};
  std::string lower(text);
  for (char& c : lower)
    if (c >= 'A' && c <= 'Z') c = char(c - 'A' + 'a');
  for (const auto y : yes)
    if (lower == y) return "true";
  for (const auto n : no)
    if (lower == n) return "false";
  return "";
}

template <class T>
inline constexpr bool is_optional_argument = false;
template <class T>
inline constexpr bool is_optional_argument<std::optional<T>> = true;
template <class T>
inline constexpr bool is_argument_list = false;
template <class T>
inline constexpr bool is_argument_list<std::vector<T>> = true;

template <class E>
std::string choices_text(const char* separator = ", ") {
  std::string out;
  for (const std::string_view c : argument_choices(E{})) out += (out.empty() ? "" : separator) + std::string(c);
  return out;
}

/// What a field takes, as a help text says it: INT, NUMBER, no|steps|epoch, TEXT ...; nothing for a switch.
template <class T>
std::string argument_kind() {
  if constexpr (is_optional_argument<T>)
    return argument_kind<typename T::value_type>();
  else if constexpr (is_argument_list<T>)
    return argument_kind<typename T::value_type>() + " ...";
  else if constexpr (std::is_same_v<T, bool>)
    return "";
  else if constexpr (std::is_same_v<T, json>)
    return "JSON";
  else if constexpr (std::is_enum_v<T>)
    return choices_text<T>("|");
  else if constexpr (std::is_arithmetic_v<T>)
    return std::is_integral_v<T> ? "INT" : "NUMBER";
  else
    return "TEXT";
}

/// One value from text; throws value_error that names the option.
template <class T>
T argument_from_text(std::string_view text, const std::string& where) {
  if constexpr (std::is_same_v<T, bool>) {
    const auto value = switch_value(text);
    if (value.empty()) throw value_error(where, "", "true or false", quote_text(text));
    return value == "true";
  } else if constexpr (std::is_arithmetic_v<T>) {
    T value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size())
      throw value_error(where, "", std::is_integral_v<T> ? "an integer" : "a number", quote_text(text));
    return value;
  } else if constexpr (std::is_enum_v<T>) {
    int i = 0;
    for (const std::string_view c : argument_choices(T{})) {
      if (c == text) return T(i);
      ++i;
    }
    throw value_error(where, "", "one of " + choices_text<T>(), quote_text(text));
  } else if constexpr (std::is_same_v<T, json>) {
    const auto first = text.find_first_not_of(" \t\r\n");
    if (first != text.npos && text[first] == '{') return parse_json(text, where, json_max_depth, json_numbers::python);
    return std::string(text);
  } else {
    return T(text);
  }
}

/// The same from JSON; where names the file, key the field.
template <class T>
T argument_from_json(const json& value, std::string_view where, const char* key) {
  if constexpr (std::is_enum_v<T>)
    return argument_from_text<T>(json_as<std::string>(value, where, key), cat(where, ", ", key));
  else
    return json_as<T>(value, where, key);
}

template <class T>
json argument_to_json(const T& value) {
  if constexpr (is_optional_argument<T>)
    return value ? argument_to_json(*value) : json(nullptr);
  else if constexpr (std::is_enum_v<T>)
    return json(argument_choices(value)[std::size_t(value)]);
  else
    return value;
}

/// A field of some struct of arguments, its type erased.
struct argument_slot {
  const char* name;
  bool is_switch, is_list;
  bool on_by_default = false;
  std::string (*kind)();
  void* field;
  void (*set)(void* field, const std::vector<std::string>& values, const std::string& where);
  void (*read)(void* field, const json& value, std::string_view where, const char* key);
};

struct argument_collector {
  std::vector<argument_slot>& slots;

  template <class T>
  void operator()(const char* name, T& field) const {
    argument_slot s{};
    s.name = name;
    s.is_switch = std::is_same_v<T, bool> || std::is_same_v<T, std::optional<bool>>;
    s.is_list = is_argument_list<T>;
    if constexpr (std::is_same_v<T, bool>) s.on_by_default = field;
    s.kind = argument_kind<T>;
    s.field = &field;
    s.set = [](void* target, const std::vector<std::string>& values, const std::string& where) {
      T& f = *static_cast<T*>(target);
      if constexpr (is_argument_list<T>) {
        T list;
        for (const auto& v : values) list.push_back(argument_from_text<typename T::value_type>(v, where));
        f = std::move(list);
      } else if constexpr (is_optional_argument<T>) {
        if (values[0] == "None" || values[0] == "null")
          f.reset();
        else
          f = argument_from_text<typename T::value_type>(values[0], where);
      } else {
        f = argument_from_text<T>(values[0], where);
      }
    };
    s.read = [](void* target, const json& value, std::string_view where, const char* key) {
      T& f = *static_cast<T*>(target);
      if constexpr (is_optional_argument<T>) {
        if (value.is_null())
          f.reset();
        else
          f = argument_from_json<typename T::value_type>(value, where, key);
      } else if constexpr (is_argument_list<T>) {
        // One value for a list of one, as Transformers takes `report_to` and its like.
        if (value.is_null())
          f.clear();
        else if (value.is_array())
          f = json_as<T>(value, where, key);
        else
          f = {json_as<typename T::value_type>(value, where, key)};
      } else if constexpr (std::is_same_v<T, json>) {
        f = value;
      } else {
        f = argument_from_json<T>(value, where, key);
      }
    };
    slots.push_back(s);
  }
};

struct argument_writer {
  json& object;
  template <class T>
  void operator()(const char* name, const T& field) const {
    object[name] = argument_to_json(field);
  }
};

template <class... Structs>
std::vector<argument_slot> argument_slots(Structs&... targets) {
  std::vector<argument_slot> slots, fresh;
  const argument_collector collect{slots}, collect_defaults{fresh};
  const auto add = [&]<class S>(S& target) {
    const S defaults{};
    S::fields(target, collect);
    S::fields(const_cast<S&>(defaults), collect_defaults);
    // Whether --no_name exists depends on the struct's default, not on what an earlier source set.
    for (std::size_t i = 0; i < slots.size(); ++i) slots[i].on_by_default = fresh[i].on_by_default;
  };
  (add(targets), ...);
  return slots;
}

void parse_command_line(const std::vector<std::string>& words, const std::vector<argument_slot>& slots,
                        std::vector<std::string>* rest);

void read_arguments(const json& object, std::string_view where, const std::vector<argument_slot>& slots);

std::string help_text(const std::vector<argument_slot>& slots, const json& defaults);

[[noreturn]] void unknown_argument(std::string_view where, std::string_view got, std::string_view name,
                                   const std::vector<argument_slot>& slots);

}  // namespace detail

/// Sets fields of the structs from the words of a command line. Throws value_error for a word that names no field, a
/// missing value, or one that is not of its field's type.
template <class... Structs>
void parse_args_into(const std::vector<std::string>& words, Structs&... targets) {
  detail::parse_command_line(words, detail::argument_slots(targets...), nullptr);
}

/// The same; returns the words that belong to no field instead of throwing for them.
template <class... Structs>
std::vector<std::string> parse_known_args_into(const std::vector<std::string>& words, Structs&... targets) {
  std::vector<std::string> rest;
  detail::parse_command_line(words, detail::argument_slots(targets...), &rest);
  return rest;
}

/// Sets fields of the structs from a JSON object; `where` names it in errors. Throws value_error for a key that names
/// no field, format_error for a value of another type. (HfArgumentParser.parse_dict, parse_json_file)
template <class... Structs>
void parse_json_into(const json& object, std::string_view where, Structs&... targets) {
  detail::read_arguments(object, where, detail::argument_slots(targets...));
}

/// All fields as a JSON object.
template <class S>
json arguments_to_json(const S& arguments) {
  json object = json::object();
  const detail::argument_writer writer{object};
  S::fields(arguments, writer);
  return object;
}

/// A line for each field: its option, what that takes, its default in brackets.
template <class S>
std::string arguments_help() {
  S fresh{};
  return detail::help_text(detail::argument_slots(fresh), arguments_to_json(fresh));
}

#if HFT_DEFINES(TRAIN)

namespace detail {

HFT_INLINE std::string help_text(const std::vector<argument_slot>& slots, const json& defaults) {
  std::string out;
  for (const auto& s : slots) {
    const std::string kind = s.kind();
    const json& value = defaults[s.name];
    const bool unset = value.is_null() || (value.is_array() && value.empty()) || value == json("");
    out += cat("  --", s.on_by_default ? "[no_]" : "", s.name, kind.empty() ? "" : " ", kind, " [",
               unset               ? "none"
               : value.is_string() ? value.get<std::string>()
                                   : value.dump(),
               "]\n");
  }
  return out;
}

HFT_INLINE void unknown_argument(std::string_view where, std::string_view got, std::string_view name,
                                 const std::vector<argument_slot>& slots) {
  std::vector<std::string_view> names;
  for (const auto& s : slots) names.push_back(s.name);
  std::string expected;
  if (!name.empty() && !names.empty()) expected = cat("a field; the nearest is '", nearest_name(name, names), "'");
  throw value_error(std::string(where), "unknown argument", expected, quote_text(got));
}

HFT_INLINE void parse_command_line(const std::vector<std::string>& words, const std::vector<argument_slot>& slots,
                                   std::vector<std::string>* rest) {
  const auto is_option = [](const std::string& w) { return w.size() > 2 && w.starts_with("--"); };
  for (std::size_t i = 0; i < words.size();) {
    const std::string& word = words[i++];
    const auto equals = word.find('=');
    std::string name = word.substr(0, equals);
    bool known = false;
    if (is_option(word)) {
      name.erase(0, 2);
      for (char& c : name)
        if (c == '-') c = '_';
      std::vector<std::string> values;
      if (equals != word.npos) values.push_back(word.substr(equals + 1));
      // The same option may belong to several structs: all of them get it.
      std::size_t after = i;
      for (const auto& s : slots) {
        const bool negated = s.on_by_default && name.starts_with("no_") && name.substr(3) == s.name;
        if (name != s.name && !negated) continue;
        known = true;
        if (negated) {
          if (!values.empty()) throw value_error("--" + name, "", "no value", quote_text(values[0]));
          s.set(s.field, {"false"}, "--" + name);
          continue;
        }
        std::vector<std::string> taken = values;
        after = i;
        if (equals == word.npos) {
          if (s.is_switch) {
            const bool value = after < words.size() && !is_option(words[after]);
            taken.push_back(value ? words[after++] : "true");
          } else {
            while (after < words.size() && !is_option(words[after]) && (s.is_list || taken.empty()))
              taken.push_back(words[after++]);
          }
        }
        if (taken.empty()) throw value_error("--" + name, "", s.is_list ? "at least one value" : "a value", "none");
        s.set(s.field, taken, "--" + name);
      }
      i = after;
    }
    if (known) continue;
    if (!rest) unknown_argument("arguments", word, is_option(word) ? name : "", slots);
    rest->push_back(word);
  }
}

HFT_INLINE void read_arguments(const json& object, std::string_view where, const std::vector<argument_slot>& slots) {
  if (!object.is_object()) json_mismatch(object, where, "", "an object of arguments");
  for (const auto& [key, value] : object.items()) {
    bool known = false;
    for (const auto& s : slots)
      if (key == s.name) s.read(s.field, value, where, s.name), known = true;
    if (!known) unknown_argument(where, key, key, slots);
  }
}

}  // namespace detail

#endif  // HFT_DEFINES

}  // namespace hft
