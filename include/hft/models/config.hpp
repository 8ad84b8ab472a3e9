// Configs as JSON, and what their fields may hold: a config is a plain struct that lists its fields once,
//
//   template <class Self, class F>
//   static void fields(Self& c, F& field) { field("vocab_size", c.vocab_size); ... }
//
// and is read from config.json and written to it through that list.
#pragma once
#include <cmath>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/io/json.hpp>
#include <hft/layers/rope_scaling.hpp>
#include <hft/linkage.hpp>
#include <hft/ops/activation_kind.hpp>
#include <hft/short_string.hpp>

namespace hft {

/// Token ids of a config: JSON's null, one number, or a list.
struct TokenIds {
  std::vector<i64> ids;

  constexpr TokenIds() = default;
  TokenIds(i64 id) : ids{id} {}  // NOLINT: an id is a list of one
  TokenIds(std::initializer_list<i64> list) : ids(list) {}
  explicit TokenIds(std::vector<i64> list) : ids(std::move(list)) {}
  bool empty() const { return ids.empty(); }
  bool contains(i64 id) const {
    for (i64 i : ids)
      if (i == id) return true;
    return false;
  }
  friend bool operator==(const TokenIds&, const TokenIds&) = default;
};

/// The labels of a classification head: `id2label`, or only their number (`num_labels`), whose names are then LABEL_0,
/// ...
struct ClassLabels {
  std::vector<std::string> names = {};  // empty: Transformers' default, LABEL_0 and LABEL_1
  isize count() const { return names.empty() ? 2 : isize(names.size()); }
};

namespace detail {

// Extents beyond this are no model's; the product of a few of them still fits an isize.
inline constexpr isize largest_extent = isize(1) << 28;
void check_extent(const char* where, const char* field, isize value, isize least = 1, isize most = largest_extent);
/// An epsilon, or any number that is at least 0; a rate of dropout.
void check_not_negative(const char* where, const char* field, f64 value);
void check_rate(const char* where, const char* field, f64 value);
// Layers are built before the file's tensors are compared with them, so their number is bounded by what any model has.
inline constexpr isize most_layers = 4096;
inline constexpr isize most_labels = 1 << 16;

template <class T>
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;

/// Calls f; what it finds wrong with a config says in which file that config is.
template <class F>
void naming_the_file(std::string_view file, F f) {
  try {
    f();
  } catch (const config_error& e) {
    throw config_error(joined(file, ": ", e.where()), e.subject(), e.expected(), e.got());
  } catch (const unsupported_error& e) {
    if (e.where() == file) throw;
    throw unsupported_error(joined(file, ": ", e.where()), e.subject(), e.expected(), e.got());
  }
}

template <class T>
T config_value(const json& value, std::string_view where, const char* key) {
  if constexpr (std::is_same_v<T, short_string>) {
    const auto text = json_as<std::string>(value, where, key);
    if (text.size() > short_string::capacity)
      throw config_error(std::string(where), key, joined("at most ", short_string::capacity, " bytes"),
                         quote_text(text));
    return short_string(text);
  } else if constexpr (std::is_same_v<T, TokenIds>) {
    return value.is_array() ? TokenIds(json_as<std::vector<i64>>(value, where, key))
                            : TokenIds(json_as<i64>(value, where, key));
  } else {
    return json_as<T>(value, where, key);
  }
}

template <class T>
json config_json(const T& value) {
  if constexpr (std::is_same_v<T, short_string>) {
    return std::string(value.view());
  } else if constexpr (std::is_same_v<T, TokenIds>) {
    if (value.empty()) return nullptr;
    return value.ids.size() == 1 ? json(value.ids[0]) : json(value.ids);
  } else if constexpr (is_optional<T>) {
    return value ? config_json(*value) : json(nullptr);
  } else {
    return value;
  }
}

// Reads fields from a JSON object; absent and null ones keep their default.
struct config_reader {
  const json& object;
  std::string_view where;
  template <class T>
  void operator()(const char* key, T& field) const {
    const json* value = find_member(object, key, where);
    if (!value) return;
    if constexpr (is_optional<T>)
      field = config_value<typename T::value_type>(*value, where, key);
    else
      field = config_value<T>(*value, where, key);
  }
  void operator()(const char* key, RopeParameters& rope) const;
  void operator()(const char* key, ClassLabels& labels) const;
};

// Removes nulls and empty lists: what is not set is not written.
void remove_unset(json& object);

struct config_writer {
  json& object;
  template <class T>
  void operator()(const char* key, const T& field) const {
    object[key] = config_json(field);
  }
  void operator()(const char* key, const RopeParameters& rope) const;
  void operator()(const char* key, const ClassLabels& labels) const;
};

}  // namespace detail

/// The activation that a config names; throws config_error for an unknown one.
Activation find_activation(std::string_view name, const char* where);

/// What config.json has for a number that JSON has not: Infinity as {"__float__": "Infinity"}, and so on, whatever it
/// is in. Transformers writes it so, and reads it beside Python's bare Infinity and NaN.
/// (PreTrainedConfig._encode_special_floats)
json encode_special_floats(json config);
json decode_special_floats(json config);

/// A folder's config.json. Throws what read_json does.
json read_config_json(const std::filesystem::path& file);

/// A config from JSON. `where` names the file in errors. Throws format_error for values of a wrong type, config_error
/// for values that do not fit each other.
template <class Config>
Config config_from_json(const json& object, std::string_view where) {
  Config config;
  if constexpr (requires { Config::aliases; }) {
    json named = object;
    for (const auto& [alias, name] : Config::aliases)
      if (const json* value = find_member(object, alias, where)) named[name] = *value;
    const detail::config_reader reader{named, where};
    Config::fields(config, reader);
  } else {
    const detail::config_reader reader{object, where};
    Config::fields(config, reader);
  }
  detail::naming_the_file(where, [&] {
    if constexpr (requires { config.complete(); }) config.complete();
    config.check();
  });
  return config;
}

/// The JSON object of a config, without `architectures` and `dtype`, which the model knows.
template <class Config>
json config_to_json(const Config& config) {
  json object = json::object();
  const detail::config_writer writer{object};
  Config::fields(config, writer);
  object["model_type"] = Config::model_type;
  return object;
}

#if HFT_DEFINES(MODELS)

namespace detail {

template <class Self, class F>
void rope_fields(Self& r, F& field) {
  field("rope_theta", r.rope_theta);
  field("factor", r.factor);
  field("partial_rotary_factor", r.partial_rotary_factor);
  field("original_max_position_embeddings", r.original_max_position_embeddings);
  field("attention_factor", r.attention_factor);
  field("beta_fast", r.beta_fast);
  field("beta_slow", r.beta_slow);
  field("mscale", r.mscale);
  field("mscale_all_dim", r.mscale_all_dim);
  field("truncate", r.truncate);
  field("short_factor", r.short_factor);
  field("long_factor", r.long_factor);
  field("low_freq_factor", r.low_freq_factor);
  field("high_freq_factor", r.high_freq_factor);
}

// v5 has one object, `rope_parameters`; v4 has `rope_theta` beside an optional `rope_scaling`, whose type is called
// `type` or `rope_type`, and some models keep the original length and the partial factor outside of both.
HFT_INLINE void config_reader::operator()(const char* key, RopeParameters& rope) const {
  (*this)("rope_theta", rope.rope_theta);
  (*this)("partial_rotary_factor", rope.partial_rotary_factor);
  const json* parameters = find_member(object, "rope_scaling", where);
  if (!parameters || parameters->empty())  // where a file has both, Transformers takes rope_scaling
    parameters = find_member(object, key, where);
  else
    key = "rope_scaling";
  if (parameters) {
    if (!parameters->is_object()) json_mismatch(*parameters, where, key, "an object");
    const config_reader inner{*parameters, where};
    inner("type", rope.rope_type);
    inner("rope_type", rope.rope_type);
    rope_fields(rope, inner);
  }
  (*this)("original_max_position_embeddings", rope.original_max_position_embeddings);  // outside, it wins
}

HFT_INLINE void config_writer::operator()(const char* key, const RopeParameters& rope) const {
  json parameters = {{"rope_type", std::string(rope.rope_type.view())}};
  const config_writer inner{parameters};
  rope_fields(rope, inner);
  remove_unset(parameters);
  parameters.erase("truncate");
  if (!rope.truncate) parameters["truncate"] = false;
  object[key] = std::move(parameters);
}

HFT_INLINE void config_reader::operator()(const char* key, ClassLabels& labels) const {
  if (const auto n = get_optional<isize>(object, "num_labels", where)) {
    check_extent(std::string(where).c_str(), "num_labels", *n, 0, most_labels);
    labels.names.clear();
    for (isize i = 0; i < *n; ++i) labels.names.push_back(cat("LABEL_", i));
  }
  const json* map = find_member(object, key, where);
  if (!map) return;
  labels.names.assign(map->size(), "");
  for (isize i = 0; i < labels.count(); ++i) labels.names[std::size_t(i)] = require<std::string>(*map, cat(i), where);
}

HFT_INLINE void config_writer::operator()(const char* key, const ClassLabels& labels) const {
  if (labels.names.empty()) return;
  json id2label = json::object(), label2id = json::object();
  for (isize i = 0; i < labels.count(); ++i) {
    id2label[cat(i)] = labels.names[std::size_t(i)];
    label2id[labels.names[std::size_t(i)]] = i;
  }
  object[key] = std::move(id2label);
  object["label2id"] = std::move(label2id);
}

HFT_INLINE void check_extent(const char* where, const char* field, isize value, isize least, isize most) {
  if (value < least || value > most) throw config_error(where, field, joined(least, " to ", most), joined(value));
}

HFT_INLINE void check_not_negative(const char* where, const char* field, f64 value) {
  if (!(value >= 0)) throw config_error(where, field, "a number of at least 0", joined(value));
}

HFT_INLINE void check_rate(const char* where, const char* field, f64 value) {
  if (!(value >= 0 && value <= 1)) throw config_error(where, field, "0 to 1", joined(value));
}

HFT_INLINE void remove_unset(json& object) {
  std::erase_if(object.get_ref<json::object_t&>(),
                [](const json::member& m) { return m.second.is_null() || (m.second.is_array() && m.second.empty()); });
}

}  // namespace detail

HFT_INLINE json encode_special_floats(json config) {
  if (config.is_array() || config.is_object()) {
    for (json& value : config) value = encode_special_floats(std::move(value));
  } else if (config.is_number_float() && !std::isfinite(config.get<f64>())) {
    std::string name;
    detail::append_python_float(name, config.get<f64>());
    return json::object({{"__float__", name}});
  }
  return config;
}

HFT_INLINE json decode_special_floats(json config) {
  if (!config.is_array() && !config.is_object()) return config;
  if (config.size() == 1 && config.contains("__float__")) {
    constexpr f64 infinity = std::numeric_limits<f64>::infinity();
    for (const auto& [name, value] : {std::pair{"Infinity", infinity}, std::pair{"-Infinity", -infinity},
                                      std::pair{"NaN", std::numeric_limits<f64>::quiet_NaN()}})
      if (config["__float__"] == name) return value;
    return config;
  }
  for (json& value : config) value = decode_special_floats(std::move(value));
  return config;
}

HFT_INLINE json read_config_json(const std::filesystem::path& file) { return decode_special_floats(read_json(file)); }

HFT_INLINE Activation find_activation(std::string_view name, const char* where) {
  const auto a = activation_from_name(name);
  if (!a) throw config_error(where, "hidden_act", "an activation of Transformers' ACT2FN", detail::quote_text(name));
  return *a;
}

#endif  // HFT_DEFINES

}  // namespace hft
