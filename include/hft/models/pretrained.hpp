// PreTrainedModel: from_pretrained and save_pretrained for every model, as transformers.PreTrainedModel has them.
//
// A model M derives from PreTrainedModel<M> and provides
//   using config_type, using build_type
//   explicit M(config_type)                      a module whose parameters have shapes and no memory
//   const config_type& config() const
//   void visit(visitor&)                         its parameters under their checkpoint names
//   void tie_weights()                           shares what the config ties; called after loading
//   void leave_out_absent(const detail::is_stored&)   optional: drops members that a checkpoint may lack
//   static std::string architecture()            what config.json lists: "LlamaForCausalLM"
//   static constexpr std::string_view base_model_prefix   the base model's name inside the headed one: "model"; a base
//   model
//                                                itself has it too, and drops it from the names of a headed checkpoint
// and its config
//   static std::string current_name(std::string) optional: today's name of a tensor of an older checkpoint
//   static name_map gguf_names(); static Config from_gguf(const gguf_file&); isize gguf_permuted_heads(path) const
//   optional static bool ignored(std::string_view name)   optional: tensors of old checkpoints that are no parameters
#pragma once
#include <concepts>
#include <cstring>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/io/checkpoint.hpp>
#include <hft/io/hub.hpp>
#include <hft/io/safetensors_writer.hpp>
#include <hft/layers/build.hpp>
#include <hft/linkage.hpp>
#include <hft/models/config.hpp>
#include <hft/models/generation_config.hpp>
#include <hft/models/loading.hpp>
#include <hft/module.hpp>
#include <hft/quantization/convert.hpp>

namespace hft {

struct SaveOptions {
  std::optional<dtype_id> dtype;  // f32, f16, bf16; default: the model's own, f32 for block formats
  std::uint64_t max_shard_size = 50'000'000'000;
};

namespace detail {

/// Sets what a folder says of generation: generation_config.json alone where there is one, else the fields of it that
/// config.json has, as old checkpoints do, beside the special tokens that `config` has from there.
void read_generation_config(const std::filesystem::path& folder, GenerationConfig& config);

/// Writes every parameter that `visit` shows as safetensors into `folder`.
void save_weights(const std::filesystem::path& folder, dtype_id dtype, std::uint64_t max_shard_size,
                  const std::function<void(visitor&)>& visit);

std::string_view torch_dtype_name(dtype_id id);

}  // namespace detail

/// The config of a checkpoint: config.json of a folder, or the metadata of a GGUF file.
/// Throws file_error, format_error, config_error, or unsupported_error for a model_type that is not Config's.
template <class Config>
Config read_config(const checkpoint& source) {
  if (source.is_gguf()) {
    if constexpr (requires { requires std::same_as<decltype(Config::from_gguf(source.gguf())), Config>; }) {
      Config config;
      detail::naming_the_file(source.path().string(), [&] { config = Config::from_gguf(source.gguf()); });
      return config;
    } else {
      throw unsupported_error(source.path().string(), detail::joined(Config::model_type, " from a GGUF file"));
    }
  }
  const auto file = source.path() / "config.json";
  const json object = read_config_json(file);
  const auto type = get<std::string>(object, "model_type", "", file.string());
  if (!type.empty() && type != Config::model_type)
    throw unsupported_error(file.string(), "model_type", detail::quote_text(Config::model_type),
                            detail::quote_text(type));
  return config_from_json<Config>(object, file.string());
}

template <class Derived>
class PreTrainedModel {
 public:
  /// Loads a model from a Transformers folder, a .gguf file, or a hub id that is in the hub cache.
  /// Weights are mapped, not copied, where the file's dtype is the model's; else they are converted.
  /// Throws file_error, format_error, config_error, and weight_error where tensors of the model are missing or have
  /// another shape, with options.strict also where the checkpoint has others beside them.
  static Derived from_pretrained(std::string_view id_or_path, const LoadOptions& options = {}) {
    return load(checkpoint::open(resolve_model(id_or_path, options.revision)), options);
  }

  /// The same from an opened checkpoint.
  static Derived load(const checkpoint& source, const LoadOptions& options = {}) {
    using Config = typename Derived::config_type;
    Derived model(read_config<Config>(source));
    model.load_weights(source, options);
    if (!source.is_gguf()) detail::read_generation_config(source.path(), model.generation_config);
    return model;
  }

  /// Fills the parameters from a checkpoint.
  void load_weights(const checkpoint& source, const LoadOptions& options = {}) {
    using Config = typename Derived::config_type;
    Derived& self = derived();
    detail::load_plan plan;
    plan.base_model_prefix = Derived::base_model_prefix;
    plan.config = &self.config();
    if constexpr (requires { self.config().gguf_permuted_heads(""); })
      plan.gguf_permuted_heads = [](const void* config, std::string_view path) {
        return static_cast<const Config*>(config)->gguf_permuted_heads(path);
      };
    if constexpr (requires { Config::gguf_names(); })
      if (source.is_gguf()) plan.gguf_names = Config::gguf_names();
    if constexpr (requires { Config::current_name(""); }) plan.current_name = &Config::current_name;
    if constexpr (requires { self.tied_parameters(); }) {
      plan.tied = self.tied_parameters();
      plan.untie = [](const void* config) {  // it is the model's own, which is being loaded
        const_cast<Config*>(static_cast<const Config*>(config))->tie_word_embeddings = false;
      };
    }
    if constexpr (requires { self.leave_out_absent(detail::is_stored()); })
      plan.leave_out_absent = [&](const detail::is_stored& stored) { self.leave_out_absent(stored); };
    if constexpr (requires { Config::ignored(""); }) plan.ignored = &Config::ignored;
    if constexpr (requires { Config::may_be_left(""); }) plan.may_be_left = &Config::may_be_left;
    detail::load_weights(source, plan, options, [&](visitor& v) { self.visit(v); });
    self.tie_weights();
    after_loading work;
    self.visit(work);
  }

  /// Writes config.json, generation_config.json and model.safetensors (or shards of it), which Transformers loads.
  /// Weights are written in options.dtype; by default in the model's own scalar dtype, block formats as f32.
  void save_pretrained(const std::filesystem::path& folder, const SaveOptions& options = {}) const {
    // visit() shows parameters for change; saving changes none.
    Derived& self = const_cast<Derived&>(derived());
    const dtype_id dtype = options.dtype.value_or(own_dtype());
    if (info(dtype).block > 1 || !info(dtype).floating)
      throw value_error("save_pretrained", "dtype", "f32, f16 or bf16", std::string(name(dtype)));
    detail::save_weights(folder, dtype, options.max_shard_size, [&](visitor& v) { self.visit(v); });
    json config = config_to_json(self.config());
    config["architectures"] = json::array({Derived::architecture()});
    config["dtype"] = detail::torch_dtype_name(dtype);
    write_file_atomically(folder / "config.json", dump(encode_special_floats(config)));
    // Settings that nobody made are not written: most models without a head to generate with have none.
    if (const json generation = generation_config.to_json(); generation != GenerationConfig().to_json())
      write_file_atomically(folder / "generation_config.json", dump(generation));
  }

  /// The settings that generate starts from; from_pretrained reads them from generation_config.json.
  GenerationConfig generation_config;

 private:
  Derived& derived() { return static_cast<Derived&>(*this); }
  const Derived& derived() const { return static_cast<const Derived&>(*this); }

  dtype_id own_dtype() const {
    using W = typename Derived::build_type::weight;
    if constexpr (Scalar<W>) {
      return dtype<W>::id;
    } else {  // the format of the largest weight, if it is a scalar one
      dtype_id id = dtype_id::f32;
      isize largest = 0;
      for_each_parameter(const_cast<Derived&>(derived()), [&](const std::string&, parameter& p) {
        if (p.size() > largest) largest = p.size(), id = p.format();
      });
      return info(id).block == 1 ? id : dtype_id::f32;
    }
  }
};

#if HFT_DEFINES(MODELS)

namespace detail {

HFT_INLINE void read_generation_config(const std::filesystem::path& folder, GenerationConfig& config) {
  const auto own = folder / "generation_config.json";
  if (is_there(own)) {
    config = {};
    config.update(read_json(own), own.string());
    return;
  }
  const auto file = folder / "config.json";
  const json object = read_config_json(file);
  json known = json::object();
  for (const auto& field : config.fields()) {
    const std::string_view name = field.name;
    const bool special = name == "bos_token_id" || name == "eos_token_id" || name == "pad_token_id";
    if (!special && name != "seed" && object.contains(name)) known[name] = object[name];
  }
  config.update(known, file.string());
}

HFT_INLINE void save_weights(const std::filesystem::path& folder, dtype_id dtype, std::uint64_t max_shard_size,
                             const std::function<void(visitor&)>& visit) {
  std::vector<stored_tensor> tensors;
  visiting v([&](const std::string& path, parameter& p) {
    stored_tensor t;
    t.name = path;
    t.dtype = dtype;
    t.shape = p.shape();
    std::shared_ptr<std::vector<std::byte>> bytes;
    const auto take = [&](std::size_t n) {
      bytes = std::make_shared<std::vector<std::byte>>(n);
      return bytes->data();
    };
    const auto* from = static_cast<const std::byte*>(p.data());
    std::vector<std::byte> staged;
    if (!p.host_memory()) {
      staged.resize(std::size_t(p.bytes()));
      p.copy_to_host(staged.data(), staged.size());
      from = staged.data();
    }
    const std::size_t size = std::size_t(p.size() * info(dtype).bytes);
    if (p.transposed()) {
      std::reverse(t.shape.begin(), t.shape.end());
      std::vector<f32> values(std::size_t(p.size())), turned(values.size());
      convert(dtype_id::f32, values.data(), p.format(), from, p.size());
      const isize rows = p.shape()[0], cols = p.shape()[1];
      transpose(turned.data(), values.data(), rows, cols);
      convert(dtype, take(size), dtype_id::f32, turned.data(), p.size());
    } else if (p.format() == dtype && staged.empty()) {
      t.bytes = {from, size};
    } else {
      convert(dtype, take(size), p.format(), from, p.size());
    }
    if (bytes) t.bytes = *bytes, t.owner = std::move(bytes);
    tensors.push_back(std::move(t));
  });
  visit(v);
  save_checkpoint(folder, tensors, max_shard_size);
}

HFT_INLINE std::string_view torch_dtype_name(dtype_id id) {
  switch (id) {
    case dtype_id::f16:
      return "float16";
    case dtype_id::bf16:
      return "bfloat16";
    case dtype_id::f64:
      return "float64";
    default:
      return "float32";
  }
}

}  // namespace detail

#endif  // HFT_DEFINES

}  // namespace hft
