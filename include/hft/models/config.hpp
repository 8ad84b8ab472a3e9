// Configs as JSON, and as the metadata of GGUF files: visitors of their fields (models/fields.hpp).
#pragma once
#include <cmath>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include <hft/error.hpp>
#include <hft/io/gguf.hpp>
#include <hft/io/json.hpp>
#include <hft/linkage.hpp>
#include <hft/models/fields.hpp>

namespace hft {

namespace detail {

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
inline constexpr bool is_optional = false;
template <class T>
inline constexpr bool is_optional<std::optional<T>> = true;

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
  } else if constexpr (std::is_same_v<T, NumberOrText>) {
    T read = value.is_string() ? 0 : json_as<isize>(value, where, key);
    if (value.is_string()) read.text = config_value<short_string>(value, where, key);
    return read;
  } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
    if (!value.is_string()) return json_as<T>(value, where, key);
    T words;  // in one text, as old files of DeBERTa have them: "p2c|c2p"
    for (std::string_view rest = value.get_ref<const std::string&>(); !rest.empty();) {
      const auto end = std::min(rest.find('|'), rest.size());
      words.emplace_back(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return words;
  } else if constexpr (std::is_same_v<T, ImageSize>) {
    if (!value.is_array()) return json_as<isize>(value, where, key);
    if (value.size() != 2) json_mismatch(value, where, key, "a number, or a list of height and width");
    return {json_as<isize>(value[0], where, key), json_as<isize>(value[1], where, key)};
  } else if constexpr (std::is_same_v<T, LayerRuns>) {
    LayerRuns out;
    for (const json& run : json_as<std::vector<json>>(value, where, key)) {
      if (!run.is_array() || run.size() != 2) json_mismatch(value, where, key, "lists of kinds and a number");
      out.runs.emplace_back(json_as<std::vector<std::string>>(run[0], where, key), json_as<isize>(run[1], where, key));
    }
    return out;
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
  } else if constexpr (std::is_same_v<T, NumberOrText>) {
    return value.text.view().empty() ? json(value.number) : config_json(value.text);
  } else if constexpr (std::is_same_v<T, ImageSize>) {
    return value.height == value.width ? json(value.height) : json{value.height, value.width};
  } else if constexpr (std::is_same_v<T, LayerRuns>) {
    json out = json::array();
    for (const auto& [kinds, times] : value.runs) out.push_back(json::array({kinds, times}));
    return out;
  } else if constexpr (is_optional<T>) {
    return value ? config_json(*value) : json(nullptr);
  } else {
    return value;
  }
}

// Removes nulls and empty lists: what is not set is not written.
void remove_unset(json& object);

/// Fields from config.json: absent ones keep their default, as do null ones that have to have a value. Then
/// check_config, whose errors name the file.
void read_fields(config_ref config, const json& object, std::string_view where);
/// Fields from the metadata of a GGUF file of that architecture, those that have a key there.
void read_fields(config_ref config, const gguf_file& file, std::string_view architecture);
json written_fields(config_ref config);

}  // namespace detail

/// What config.json has for a number that JSON has not: Infinity as {"__float__": "Infinity"}, and so on, whatever it
/// is in. Transformers writes it so, and reads it beside Python's bare Infinity and NaN.
/// (PreTrainedConfig._encode_special_floats)
json encode_special_floats(json config);
json decode_special_floats(json config);

/// A folder's config.json. Throws what read_json does.
json read_config_json(const std::filesystem::path& file);

/// A config from JSON. `where` names the file in errors. Throws format_error for values of a wrong type, config_error
/// for values out of range or that do not fit each other.
template <class Config>
Config config_from_json(const json& object, std::string_view where) {
  Config config;
  detail::read_fields(config_ref(config), object, where);
  return config;
}

/// The JSON object of a config, without `architectures` and `dtype`, which the model knows.
template <class Config>
json config_to_json(const Config& config) {
  return detail::written_fields(config_ref::of(config));
}

#if HFT_DEFINES(MODELS)

namespace detail {

inline constexpr std::pair<const char*, std::optional<f64> RopeParameters::*> rope_numbers[] = {
    {"factor", &RopeParameters::factor},
    {"partial_rotary_factor", &RopeParameters::partial_rotary_factor},
    {"attention_factor", &RopeParameters::attention_factor},
    {"beta_fast", &RopeParameters::beta_fast},
    {"beta_slow", &RopeParameters::beta_slow},
    {"mscale", &RopeParameters::mscale},
    {"mscale_all_dim", &RopeParameters::mscale_all_dim},
    {"low_freq_factor", &RopeParameters::low_freq_factor},
    {"high_freq_factor", &RopeParameters::high_freq_factor},
    {"alpha", &RopeParameters::alpha}};

inline void rope_fields(RopeParameters& r, field_visitor& v) {
  v("rope_theta", r.rope_theta);
  for (const auto& [name, number] : rope_numbers) v(name, r.*number);
  v("original_max_position_embeddings", r.original_max_position_embeddings);
  v("truncate", r.truncate);
  v("short_factor", r.short_factor);
  v("long_factor", r.long_factor);
  v("mrope_section", r.mrope_section);
  v("mrope_interleaved", r.mrope_interleaved);
}

/// Reads fields from a JSON object.
class field_reader final : public field_visitor {
 public:
  field_reader(const json& object, std::string_view where) : object_(object), where_(where) {}

 private:
  void on_field(const char* name, field_place field, const field_rule& rule) override {
    const json* value = rule.also_name ? find_member(object_, rule.also_name, where_) : nullptr;
    if (!value) value = find_member(object_, name, where_);
    std::visit([&](auto place) { read(name, value, place); }, field);
  }

  template <class T>
  void read(const char* name, const json* value, T* field) const {
    if constexpr (is_optional<T>)  // Transformers, too, takes a null for none, whatever the default is
      if (!value && object_.contains(name)) return field->reset();
    if (!value) return;
    if constexpr (is_optional<T>) {
      if (*value == json("auto")) return;  // as what is left to be computed is written
      *field = config_value<typename T::value_type>(*value, where_, name);
    } else
      *field = config_value<T>(*value, where_, name);
  }
  // `id2label`, or `num_labels` alone.
  void read(const char*, const json* map, ClassLabels* labels) const {
    if (const auto n = get_optional<isize>(object_, "num_labels", where_)) {
      if (*n < 0 || *n > most_labels)
        throw config_error(std::string(where_), "num_labels", joined("0 to ", most_labels), joined(*n));
      labels->names.clear();
      for (isize i = 0; i < *n; ++i) labels->names.push_back(cat("LABEL_", i));
    }
    if (!map) return;
    labels->names.assign(map->size(), "");
    for (isize i = 0; i < labels->count(); ++i)
      labels->names[std::size_t(i)] = require<std::string>(*map, cat(i), where_);
  }
  // v5 has one object, `rope_parameters`; v4 has `rope_theta` beside an optional `rope_scaling`, whose type is called
  // `type` or `rope_type`, and some models keep the original length and the partial factor outside of both.
  void read(const char* name, const json*, RopeParameters* rope) {
    (*this)("rope_theta", rope->rope_theta);
    (*this)("partial_rotary_factor", rope->partial_rotary_factor);
    const json* parameters = find_member(object_, "rope_scaling", where_);
    if (!parameters || parameters->empty())  // where a file has both, Transformers takes rope_scaling
      parameters = find_member(object_, name, where_);
    else
      name = "rope_scaling";
    if (parameters) {
      if (!parameters->is_object()) json_mismatch(*parameters, where_, name, "an object");
      field_reader inner(*parameters, where_);
      // What a class has by default is replaced as a whole.
      *rope = {.rope_theta = rope->rope_theta, .partial_rotary_factor = rope->partial_rotary_factor};
      inner("type", rope->rope_type);
      inner("rope_type", rope->rope_type);
      rope_fields(*rope, inner);
    }
    (*this)("original_max_position_embeddings", rope->original_max_position_embeddings);  // outside, it wins
  }
  void read(const char* name, const json* value, nested_config inner) const {
    if (!value) return;
    if (!value->is_object()) json_mismatch(*value, where_, name, "an object");
    field_reader v(*value, where_);
    inner.fields(inner.config, v);
  }

  const json& object_;
  std::string_view where_;
};

/// Writes fields to a JSON object.
class field_writer final : public field_visitor {
 public:
  explicit field_writer(json& object) : object_(object) {}

 private:
  void on_field(const char* name, field_place field, const field_rule& rule) override {
    if (rule.is_old) return;
    std::visit([&](auto place) { write(name, place); }, field);
    if (rule.if_set && object_[name].is_null()) object_.erase(name);
    if (rule.null_if_empty && !object_.contains(name)) object_[name] = nullptr;
  }

  template <class T>
  void write(const char* name, const T* field) {
    object_[name] = config_json(*field);
  }
  template <class T>
  void write(const char* name, const std::vector<T>* field) {  // an empty list says nothing
    if (!field->empty()) object_[name] = config_json(*field);
  }
  void write(const char* name, const ClassLabels* labels) {
    if (labels->names.empty()) return;
    json id2label = json::object(), label2id = json::object();
    for (isize i = 0; i < labels->count(); ++i) {
      id2label[cat(i)] = labels->names[std::size_t(i)];
      label2id[labels->names[std::size_t(i)]] = i;
    }
    object_[name] = std::move(id2label);
    object_["label2id"] = std::move(label2id);
  }
  // What is not set is not written.
  void write(const char* name, RopeParameters* rope) {
    json parameters = {{"rope_type", std::string(rope->rope_type.view())}};
    field_writer inner(parameters);
    rope_fields(*rope, inner);
    remove_unset(parameters);
    if (rope->truncate) parameters.erase("truncate");
    object_[name] = std::move(parameters);
  }
  void write(const char* name, nested_config inner) {
    json object = json::object();
    field_writer v(object);
    inner.fields(inner.config, v);
    object_[name] = std::move(object);
  }

  json& object_;
};

/// Reads what has a key in a GGUF file's metadata. Extents that it lacks are an error; all else has a default.
class gguf_field_reader final : public field_visitor {
 public:
  gguf_field_reader(const gguf_file& file, std::string prefix) : file_(file), prefix_(std::move(prefix)) {}

 private:
  void on_field(const char*, field_place field, const field_rule& rule) override {
    if (!rule.gguf_key) return;
    const std::string_view key = rule.gguf_key;
    const std::string full = key.starts_with("tokenizer.") ? std::string(key) : prefix_ + std::string(key);
    const gguf_value* value = std::holds_alternative<isize*>(field) ? &file_.at(full) : file_.find(full);
    if (value) std::visit([&](auto place) { read(*value, place); }, field);
  }

  static void read(const gguf_value& value, isize* field) { *field = number_of_all(value); }
  static void read(const gguf_value& value, f64* field) { *field = value.as_f64(); }
  static void read(const gguf_value& value, std::optional<isize>* field) { *field = number_of_all(value); }
  static void read(const gguf_value& value, std::optional<f64>* field) { *field = value.as_f64(); }
  static void read(const gguf_value& value, TokenIds* field) { *field = value.as_i64(); }
  static void read(const gguf_value& value, bool* field) { *field = value.as_bool(); }
  template <class T>
  static void read(const gguf_value&, T) {}

  // One number, or one for each layer, all the same but for layers that have a 0, which have no such part.
  static isize number_of_all(const gguf_value& value) {
    if (!value.is_array()) return value.as_i64();
    i64 found = 0;
    for (const i64 n : value.as_i64s()) {
      if (n && found && n != found)
        throw unsupported_error("GGUF", quote_text(value.key()), "the same number for each layer",
                                joined(found, " and ", n));
      if (n) found = n;
    }
    return found;
  }

  const gguf_file& file_;
  std::string prefix_;
};

HFT_INLINE_ONCE void remove_unset(json& object) {
  std::erase_if(object.get_ref<json::object_t&>(),
                [](const json::member& m) { return m.second.is_null() || (m.second.is_array() && m.second.empty()); });
}

HFT_INLINE_ONCE void read_fields(config_ref config, const json& object, std::string_view where) {
  field_reader reader(object, where);
  config.fields(reader);
  naming_the_file(where, [&] { check_config(config); });
}

HFT_INLINE_ONCE void read_fields(config_ref config, const gguf_file& file, std::string_view architecture) {
  if (const auto found = file.at("general.architecture").as_string(); found != architecture)
    throw unsupported_error(file.where(), "general.architecture", quote_text(architecture), quote_text(found));
  gguf_field_reader reader(file, std::string(architecture) + ".");
  config.fields(reader);
}

HFT_INLINE_ONCE json written_fields(config_ref config) {
  json object = json::object();
  field_writer writer(object);
  config.fields(writer);
  object["model_type"] = config.model_type;
  return object;
}

}  // namespace detail

HFT_INLINE_ONCE json encode_special_floats(json config) {
  if (config.is_array() || config.is_object()) {
    for (json& value : config) value = encode_special_floats(std::move(value));
  } else if (config.is_number_float() && !std::isfinite(config.get<f64>())) {
    std::string name;
    detail::append_python_float(name, config.get<f64>());
    return json::object({{"__float__", name}});
  }
  return config;
}

HFT_INLINE_ONCE json decode_special_floats(json config) {
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

HFT_INLINE_ONCE json read_config_json(const std::filesystem::path& file) {
  return decode_special_floats(read_json(file));
}

#endif  // HFT_DEFINES

}  // namespace hft
