// Writing a model as a folder that Transformers loads.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/io/safetensors_writer.hpp>
#include <hft/linkage.hpp>
#include <hft/log.hpp>
#include <hft/models/any_config.hpp>
#include <hft/models/loading.hpp>
#include <hft/models/model_parts.hpp>
#include <hft/quantization/convert.hpp>

namespace hft {

/// What quantises the weights of one model as it is saved.
class weight_quantizer {
 public:
  virtual ~weight_quantizer() = default;

  /// quantization_config of config.json.
  virtual json to_json() const = 0;
  /// Whether the parameter of that path is a weight that it quantises.
  virtual bool takes(std::string_view path) const = 0;
  /// The tensors in the place of such a weight, which is given as (out, in) in the dtype that the model has it in.
  ///   dtype  that of the weights which stay what they are
  virtual std::vector<stored_tensor> quantized(const stored_tensor& weight, dtype_id dtype) const = 0;
};

/// How weights are quantised as they are saved: not at all, or as a method's config says. A config is of a method where
///   std::unique_ptr<weight_quantizer> quantizer_of(const Config&, ModelParts&, const AnyConfig&, std::string_view
///   where)
/// is found by its argument, as for BitsAndBytesConfig, whose header (models/bitsandbytes_config.hpp) alone brings what
/// quantises.
class QuantizationConfig {
 public:
  QuantizationConfig() = default;
  template <class Config>
  requires requires(const Config& c, ModelParts& m, const AnyConfig& a) { quantizer_of(c, m, a, std::string_view()); }
  QuantizationConfig(const Config& config)  // NOLINT: a method's config is one
      : make_([config](ModelParts& m, const AnyConfig& a, std::string_view w) {
          return quantizer_of(config, m, a, w);
        }) {}

  /// Null where nothing is quantised. Throws where the config or the model do not go with the method.
  std::unique_ptr<weight_quantizer> quantizer(ModelParts& model, const AnyConfig& config,
                                              std::string_view where) const {
    return make_ ? make_(model, config, where) : nullptr;
  }

 private:
  std::function<std::unique_ptr<weight_quantizer>(ModelParts&, const AnyConfig&, std::string_view)> make_;
};

struct SaveOptions {
  std::optional<dtype_id> dtype = {};  // f32, f16, bf16; default: the model's own, f32 for block formats
  std::uint64_t max_shard_size = 50'000'000'000;
  QuantizationConfig quantization_config = {};  // of weights that are quantised; default: none are
};

namespace detail {

/// Writes every parameter of a model as safetensors into `folder`, stacks as `names` say, and those that `quantizer`
/// takes, where there is one, as it makes of them.
void save_weights(const std::filesystem::path& folder, dtype_id dtype, std::uint64_t max_shard_size,
                  const name_tables& names, ModelParts& model, const weight_quantizer* quantizer);

/// Tensors of a model, a stack's pieces put together.
std::vector<stored_tensor> stacked(std::vector<stored_tensor> tensors, const name_tables& names,
                                   const ModelParts& model);

std::string_view torch_dtype_name(dtype_id id);

/// Writes a model with its config and, where it generates, its settings of generation.
///   own  the dtype that the model's weights have by their type, if they have one
void save_model(ModelParts& model, const AnyConfig& config, const std::string& architecture,
                std::optional<dtype_id> own, const GenerationConfig* generation, const std::filesystem::path& folder,
                const SaveOptions& options);

}  // namespace detail

#if HFT_DEFINES(MODELS)

namespace detail {

HFT_INLINE_ONCE std::vector<stored_tensor> stacked(std::vector<stored_tensor> tensors, const name_tables& names,
                                                   const ModelParts& model) {
  const auto prefix = model.base_model_prefix();
  return names.stacks.empty() ? std::move(tensors)
                              : stack(std::move(tensors), names.stacks, prefix.empty() ? "" : cat(prefix, "."));
}

HFT_INLINE_ONCE void save_weights(const std::filesystem::path& folder, dtype_id dtype, std::uint64_t max_shard_size,
                                  const name_tables& names, ModelParts& model, const weight_quantizer* quantizer) {
  std::vector<stored_tensor> tensors;
  visiting v([&](const std::string& path, parameter& p) {
    stored_tensor t;
    t.name = path;
    t.dtype = dtype;
    t.shape = p.shape();
    if (!p.data() && p.size())
      throw weight_error("save_pretrained", quote_text(path), "values, which from_pretrained or from_config gives",
                         "none");
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
    if (quantizer && quantizer->takes(path)) {
      t.dtype = p.format();
      t.bytes = {from, std::size_t(p.bytes())};
      for (stored_tensor& part : quantizer->quantized(t, dtype)) tensors.push_back(std::move(part));
      return;
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
  model.visit(v);
  // Layers that round what they see are BitNet's to Transformers, which have a scale beside their weight.
  for (const std::string& layer : linear_layers(model).rounding()) {
    const auto one = std::make_shared<std::vector<std::byte>>(std::size_t(info(dtype).bytes));
    const f32 value = 1;
    convert(dtype, one->data(), dtype_id::f32, &value, 1);
    stored_tensor t;
    t.name = layer + ".weight_scale";
    t.dtype = dtype;
    t.shape = {1};
    t.bytes = *one;
    t.owner = one;
    tensors.push_back(std::move(t));
  }
  save_checkpoint(folder, stacked(std::move(tensors), names, model), max_shard_size);
}

HFT_INLINE_ONCE void save_model(ModelParts& model, const AnyConfig& config, const std::string& architecture,
                                std::optional<dtype_id> own, const GenerationConfig* generation,
                                const std::filesystem::path& folder, const SaveOptions& options) {
  const auto quantizer = options.quantization_config.quantizer(model, config, folder.string());
  std::set<std::string_view> blocks;  // formats that safetensors has not
  if (!own) {                         // the format of the largest weight, if it is a scalar one
    isize largest = 0;
    own = dtype_id::f32;
    for_each_parameter(model, [&](const std::string& path, parameter& p) {
      const bool in_blocks = info(p.format()).block > 1;
      if (in_blocks && quantizer && quantizer->takes(path)) return;
      if (p.size() > largest) largest = p.size(), own = p.format();
      if (in_blocks) blocks.insert(name(p.format()));
    });
    if (info(*own).block > 1) own = dtype_id::f32;
  }
  const dtype_id dtype = options.dtype.value_or(*own);
  if (info(dtype).block > 1 || !info(dtype).floating)
    throw value_error("save_pretrained", "dtype", "f32, f16 or bf16", std::string(name(dtype)));
  if (!options.dtype && !blocks.empty()) {
    std::string names;
    for (const auto format : blocks) names.append(names.empty() ? "" : ", ").append(format);
    log_message(log_level::warning, folder.string(),
                joined("safetensors have no blocks: weights in ", names, " are written as ", name(dtype),
                       "; save_gguf keeps them"));
  }
  save_weights(folder, dtype, options.max_shard_size, config.info().names, model, quantizer.get());
  json object = written_fields(config.ref());
  for (const auto& [name, value] : config.other_fields.get_ref<const json::object_t&>())
    if (!object.contains(name)) object[name] = value;
  object["architectures"] = json::array({architecture});
  object["dtype"] = torch_dtype_name(dtype);
  if (quantizer) object["quantization_config"] = quantizer->to_json();
  write_file_atomically(folder / "config.json", dump(encode_special_floats(object)));
  if (!generation) return;
  // Settings that nobody made are not written.
  if (const json settings = generation->to_json(); settings != GenerationConfig().to_json())
    write_file_atomically(folder / "generation_config.json", dump(settings));
}

HFT_INLINE_ONCE std::string_view torch_dtype_name(dtype_id id) {
  switch (id) {
    case dtype_id::f16:
      return "float16";
    case dtype_id::bf16:
      return "bfloat16";
    case dtype_id::f64:
      return "float64";
    case dtype_id::u8:
      return "uint8";
    case dtype_id::i8:
      return "int8";
    default:
      return "float32";
  }
}

}  // namespace detail

#endif  // HFT_DEFINES

}  // namespace hft
