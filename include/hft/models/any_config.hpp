// AnyConfig: a config of any architecture, and what belongs to its type: names, defaults, the class names of
// Transformers.
#pragma once
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include <hft/io/checkpoint.hpp>
#include <hft/layers/attention_options.hpp>
#include <hft/linkage.hpp>
#include <hft/models/config.hpp>
#include <hft/models/generation_config.hpp>
#include <hft/models/gguf_names.hpp>
#include <hft/models/load_options.hpp>
#include <hft/name_rules.hpp>
#include <hft/nearest_name.hpp>
#include <hft/quantization/methods.hpp>
#include <hft/random.hpp>

namespace hft {

/// What belongs to a config's type, its type erased.
struct architecture_info {
  const char *model_type, *class_prefix;
  const name_tables& names;
  std::shared_ptr<void> (*make)();
  std::shared_ptr<void> (*copy)(const void*);
  config_ref (*ref)(void*);
  void (*complete_from)(void*, const gguf_file&);
  void (*complete_in)(const void*, gguf_keys&);
  std::optional<AttentionOptions> (*attention)(const void*, isize layer);  // where the config makes them layer by layer
  std::vector<row_parts> (*gguf_parts)(const void*, std::string_view path);
  f64 (*initial_deviation)(const void*, std::string_view path);
  bool (*initialise)(const void*, std::string_view path, const std::vector<isize>& shape, const random_stream&,
                     std::vector<f32>& values);

  /// The name in Transformers of a class of it: "LlamaForCausalLM".
  std::string class_name(std::string_view suffix) const;
};

template <class Config>
inline constexpr architecture_info architecture_of{
    Config::model_type,
    Config::class_prefix,
    Config::names,
    []() -> std::shared_ptr<void> { return std::make_shared<Config>(); },
    [](const void* c) -> std::shared_ptr<void> { return std::make_shared<Config>(*static_cast<const Config*>(c)); },
    [](void* c) { return config_ref(*static_cast<Config*>(c)); },
    [](void* c, const gguf_file& file) {
      if constexpr (requires(Config & config) { config.complete_from(file); })
        static_cast<Config*>(c)->complete_from(file);
    },
    []([[maybe_unused]] const void* c, [[maybe_unused]] gguf_keys& keys) {
      if constexpr (requires(const Config& config) { config.complete_in(keys); })
        static_cast<const Config*>(c)->complete_in(keys);
    },
    []([[maybe_unused]] const void* c, [[maybe_unused]] isize layer) -> std::optional<AttentionOptions> {
      if constexpr (requires(const Config& config) { AttentionOptions(config.attention(layer)); })
        return static_cast<const Config*>(c)->attention(layer);
      else
        return {};
    },
    []([[maybe_unused]] const void* c, [[maybe_unused]] std::string_view path) -> std::vector<row_parts> {
      if constexpr (requires(const Config& config) { config.gguf_parts(path); })
        return static_cast<const Config*>(c)->gguf_parts(path);
      else
        return {};
    },
    [](const void* c, [[maybe_unused]] std::string_view path) -> f64 {
      const auto& config = *static_cast<const Config*>(c);
      if constexpr (requires { config.initial_deviation(path); })
        return config.initial_deviation(path);
      else
        return config.initializer_range;
    },
    []([[maybe_unused]] const void* c, [[maybe_unused]] std::string_view path,
       [[maybe_unused]] const std::vector<isize>& shape, [[maybe_unused]] const random_stream& random,
       [[maybe_unused]] std::vector<f32>& values) {
      if constexpr (requires(const Config& config) { config.initialise(path, shape, random, values); })
        return static_cast<const Config*>(c)->initialise(path, shape, random, values);
      else
        return false;
    }};

/// A config of any type; copies are deep.
class AnyConfig {
 public:
  template <class Config>
  explicit AnyConfig(std::type_identity<Config>, const Config& config)
      : info_(&architecture_of<Config>), config_(std::make_shared<Config>(config)) {}
  explicit AnyConfig(const architecture_info& info) : info_(&info), config_(info.make()) {}
  AnyConfig(const AnyConfig& other)
      : other_fields(other.other_fields), info_(other.info_), config_(info_->copy(other.config_.get())) {}
  AnyConfig(AnyConfig&&) = default;
  AnyConfig& operator=(AnyConfig other) noexcept {
    std::swap(info_, other.info_), std::swap(config_, other.config_), std::swap(other_fields, other.other_fields);
    return *this;
  }

  const architecture_info& info() const { return *info_; }
  config_ref ref() const { return info_->ref(config_.get()); }
  template <class Config>
  const Config& as() const {
    return *static_cast<const Config*>(config_.get());
  }

  /// Whether config.json has true under a name that no member has.
  bool says(const char* name) const {
    const auto found = other_fields.find(name);
    return found != other_fields.end() && *found == json(true);
  }

  std::string model_type() const { return info_->model_type; }
  /// How many classes a classifier has, and what they are called. Of a config without labels 0, and none.
  isize num_labels() const;
  ClassLabels id2label() const;

  /// A field under its name in config.json, or under another that the architecture reads it by; null where it is not
  /// set. Beside what the model is built from: num_labels, label2id, and what the file says of the classes that were
  /// saved (architectures), of their dtype and of generation. Throws config_error, with the nearest name, for a name
  /// that is none.
  json operator[](std::string_view name) const;
  /// The same as a T. Throws format_error for a value of another type.
  template <class T>
  T get(std::string_view name) const {
    return json_as<T>((*this)[name], model_type(), std::string(name));
  }
  /// The same where it is set, else `fallback`, for a name that is none, too.
  template <class T>
  T get(std::string_view name, T fallback) const {
    const json value = find(name).value_or(json());
    return value.is_null() ? std::move(fallback) : json_as<T>(value, model_type(), std::string(name));
  }

  /// config.json. (transformers.PreTrainedConfig.to_dict)
  json to_json() const;
  /// Writes config.json into a folder, which is made where there is none. Throws file_error.
  void save_pretrained(const std::filesystem::path& folder) const;

  json other_fields = json::object();   // of config.json, which the config has no member for: they are written again
  json beside_fields = json::object();  // of it, what says nothing of the model, and models do not write again

 private:
  std::optional<json> find(std::string_view name) const;

  const architecture_info* info_;
  std::shared_ptr<void> config_;
};

/// The config of a checkpoint: config.json of a folder, or the metadata of a GGUF file; with the labels that options
/// give. Throws file_error, format_error, config_error, or unsupported_error for a model_type that is not the
/// architecture's.
AnyConfig read_config(const architecture_info& info, const checkpoint& source, const LoadOptions& options = {});
/// The same of a config.json, which `file` names in errors.
AnyConfig read_config(const architecture_info& info, const json& object, const std::string& file,
                      const LoadOptions& options = {});
/// The same of a GGUF file's metadata.
AnyConfig read_config(const architecture_info& info, const gguf_file& file);
template <class Config>
Config read_config(const checkpoint& source) {
  return read_config(architecture_of<Config>, source).template as<Config>();
}

#if HFT_DEFINES(MODELS)

namespace detail {

// Fields of config.json that say nothing of the model: who wrote the file, how its weights are stored, and settings of
// generation, which a model keeps elsewhere.
inline bool says_nothing_of_the_model(const std::string& name) {
  for (const char* other : {"architectures", "dtype", "torch_dtype", "model_type", "transformers_version",
                            "_name_or_path", "quantization_config", "num_labels", "label2id", "rope_scaling",
                            "rope_theta", "partial_rotary_factor", "original_max_position_embeddings"})
    if (name == other) return true;
  if (name == "output_hidden_states" || name == "output_attentions")
    return false;  // of any pass, not generation's alone
  for (const auto& field : GenerationConfig().fields())
    if (name == field.name) return true;
  return false;
}

/// Of these, what whoever reads the file alone may ask for.
inline bool says_of_saved_classes(std::string_view name) {
  for (const char* other : {"architectures", "dtype", "torch_dtype", "transformers_version"})
    if (name == other) return true;
  for (const auto& field : GenerationConfig().fields())
    if (name == field.name) return true;
  return false;
}

/// Looks for the field that is also called so.
class other_name_finder final : public field_visitor {
 public:
  explicit other_name_finder(std::string_view name) : name_(name) {}
  std::string found;

 private:
  void on_field(const char* name, field_place, const field_rule& rule) override {
    if (rule.also_name && name_ == rule.also_name) found = name;
  }
  std::string_view name_;
};

}  // namespace detail

HFT_INLINE_ONCE isize AnyConfig::num_labels() const {
  const auto labels = get_labels(ref());
  return labels ? labels->count() : 0;
}

HFT_INLINE_ONCE ClassLabels AnyConfig::id2label() const { return get_labels(ref()).value_or(ClassLabels{}); }

HFT_INLINE_ONCE json AnyConfig::to_json() const {
  json object = detail::written_fields(ref());
  for (const json* others : {&other_fields, &beside_fields})
    for (const auto& [name, value] : others->get_ref<const json::object_t&>())
      if (!object.contains(name)) object[name] = value;
  return encode_special_floats(std::move(object));
}

HFT_INLINE_ONCE void AnyConfig::save_pretrained(const std::filesystem::path& folder) const {
  std::error_code failed;
  std::filesystem::create_directories(folder, failed);
  write_file_atomically(folder / "config.json", dump(to_json()));
}

HFT_INLINE_ONCE std::optional<json> AnyConfig::find(std::string_view name) const {
  const json object = decode_special_floats(to_json());
  if (const auto found = object.find(std::string(name)); found != object.end()) return *found;
  if (const auto labels = get_labels(ref())) {
    if (name == "num_labels") return json(labels->count());
    if (name == "id2label" || name == "label2id") {
      json map = json::object();
      for (isize i = 0; i < labels->count(); ++i)
        if (name == "id2label")
          map[detail::cat(i)] = labels->name(i);
        else
          map[labels->name(i)] = i;
      return map;
    }
  }
  detail::other_name_finder other(name);
  ref().fields(other);
  if (!other.found.empty() && other.found != name) return find(other.found);
  if (has_field(ref(), std::string(name).c_str())) return json(nullptr);
  return {};
}

HFT_INLINE_ONCE json AnyConfig::operator[](std::string_view name) const {
  if (auto found = find(name)) return *std::move(found);
  const json object = to_json();
  std::vector<std::string_view> names{"num_labels"};
  for (const auto& member : object.get_ref<const json::object_t&>()) names.push_back(member.first);
  throw config_error(model_type(), detail::cat("'", name, "'"),
                     detail::cat("a field; the nearest is '", nearest_name(name, names), "'"), "none of that name");
}

HFT_INLINE_ONCE std::string architecture_info::class_name(std::string_view suffix) const {
  for (const auto& [usual, own] : names.class_suffixes)
    if (usual == suffix) suffix = own;
  return detail::cat(class_prefix, suffix);
}

HFT_INLINE_ONCE AnyConfig read_config(const architecture_info& info, const gguf_file& file) {
  AnyConfig config(info);
  const std::string& where = file.where();
  if (info.names.gguf.empty()) throw unsupported_error(where, detail::joined(info.model_type, " from a GGUF file"));
  const bool told = !info.names.gguf_told || info.names.gguf_told(file);
  std::string name(info.names.gguf_name(info.model_type));
  for (const auto& other : info.names.gguf_classes)
    if (other.first == file.at("general.architecture").as_string()) name = other.first;
  detail::naming_the_file(where, [&] {
    detail::read_fields(config.ref(), file, name);
    if (!told)
      throw unsupported_error(where, "model", detail::quote_text(info.model_type),
                              detail::cat("another of ", info.names.gguf_name(info.model_type)));
    info.complete_from(config.ref().config.config, file);
    const auto has = [&](std::string_view tensor) { return gguf_layers_have(file, tensor); };
    set_field(config.ref(), "attention_bias", has("attn_q.bias") || has("attn_qkv.bias") || has("attn_kv_a_mqa.bias"));
    set_field(config.ref(), "mlp_bias", has("ffn_up.bias") || has("ffn_down.bias"));
    check_config(config.ref());
  });
  return config;
}

HFT_INLINE_ONCE AnyConfig read_config(const architecture_info& info, const checkpoint& source,
                                      const LoadOptions& options) {
  if (source.is_gguf()) return read_config(info, source.gguf());
  const auto file = source.path() / "config.json";
  return read_config(info, read_config_json(file), file.string(), options);
}

HFT_INLINE_ONCE AnyConfig read_config(const architecture_info& info, const json& object, const std::string& file,
                                      const LoadOptions& options) {
  AnyConfig config(info);
  const auto type = get<std::string>(object, "model_type", "", file);
  if (!type.empty() && type != info.model_type)
    throw unsupported_error(file, "model_type", detail::quote_text(info.model_type), detail::quote_text(type));
  detail::read_fields(config.ref(), object, file);
  const json known = detail::written_fields(config.ref());
  for (const auto& [name, value] : object.get_ref<const json::object_t&>())
    if (!known.contains(name) && !detail::says_nothing_of_the_model(name) && !has_field(config.ref(), name))
      config.other_fields[name] = value;
    else if (!known.contains(name) && detail::says_of_saved_classes(name))
      config.beside_fields[name] = value;
  // Methods that round what layers see say so of the model, whose weights are then saved as they are computed with.
  if (object.contains("quantization_config"))
    if (json kept = saved_quantization(object["quantization_config"], file); !kept.is_null())
      config.other_fields["quantization_config"] = std::move(kept);
  if (!options.id2label.empty() || options.num_labels) {
    ClassLabels labels{options.id2label};
    while (options.id2label.empty() && isize(labels.names.size()) < *options.num_labels)
      labels.names.push_back(detail::cat("LABEL_", labels.names.size()));
    set_labels(config.ref(), std::move(labels), file);
  }
  return config;
}

#endif  // HFT_DEFINES

}  // namespace hft
