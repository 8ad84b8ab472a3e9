// AnyConfig: a config of any architecture, and what belongs to its type: names, defaults, the class names of
// Transformers.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
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

  json other_fields = json::object();  // of config.json, which the config has no member for: they are written again

 private:
  const architecture_info* info_;
  std::shared_ptr<void> config_;
};

/// The config of a checkpoint: config.json of a folder, or the metadata of a GGUF file; with the labels that options
/// give. Throws file_error, format_error, config_error, or unsupported_error for a model_type that is not the
/// architecture's.
AnyConfig read_config(const architecture_info& info, const checkpoint& source, const LoadOptions& options = {});
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
  for (const auto& field : GenerationConfig().fields())
    if (name == field.name) return true;
  return false;
}

}  // namespace detail

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
  AnyConfig config(info);
  const auto where = source.path().string();
  if (source.is_gguf()) return read_config(info, source.gguf());
  const auto file = (source.path() / "config.json").string();
  const json object = read_config_json(file);
  const auto type = get<std::string>(object, "model_type", "", file);
  if (!type.empty() && type != info.model_type)
    throw unsupported_error(file, "model_type", detail::quote_text(info.model_type), detail::quote_text(type));
  detail::read_fields(config.ref(), object, file);
  const json known = detail::written_fields(config.ref());
  for (const auto& [name, value] : object.get_ref<const json::object_t&>())
    if (!known.contains(name) && !detail::says_nothing_of_the_model(name) && !has_field(config.ref(), name))
      config.other_fields[name] = value;
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
