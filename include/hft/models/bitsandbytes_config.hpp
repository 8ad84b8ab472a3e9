// BitsAndBytesConfig: a model saved with weights that bitsandbytes quantises to 4 bits, as Transformers saves one that
// it loaded so.
//
//   model.save_pretrained(folder, {.quantization_config = BitsAndBytesConfig{.load_in_4bit = true,
//                                                                            .bnb_4bit_quant_type = "nf4"}});
//
// from_pretrained of Transformers, and ours, load the folder. A program that does not include this header holds nothing
// of what quantises. (transformers/utils/quantization_config.py, quantizers/quantizer_bnb_4bit.py)
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <hft/dtype.hpp>
#include <hft/io/json.hpp>
#include <hft/linkage.hpp>
#include <hft/models/any_config.hpp>
#include <hft/models/model_parts.hpp>
#include <hft/models/saving.hpp>

namespace hft {

/// Which weights are quantised, and how; names and values are Transformers'. Linear layers are, but for the output
/// embeddings, what is tied to another parameter, and the layer whose weight is the model's last parameter: the lists
/// of llm_int8_skip_modules, where it is given, in the place of these. What Transformers keeps in f32 or has no
/// nn.Linear for (routers of experts, T5's wo) stays in any case. Embeddings, norms and biases stay in
/// SaveOptions::dtype.
///
/// A weight is quantised from the values that the model has, whatever SaveOptions::dtype. One in blocks of nf4 keeps
/// its codes and scales as nf4 (with bnb_4bit_use_double_quant, its codes); one in other blocks is rounded a second
/// time, which a warning says.
struct BitsAndBytesConfig {
  bool load_in_8bit = false;                                           // not implemented
  bool load_in_4bit = false;                                           // to be set
  std::optional<std::vector<std::string>> llm_int8_skip_modules = {};  // by the beginnings or the ends of their names
  dtype_id bnb_4bit_compute_dtype = dtype_id::f32;                     // of products, for Transformers: f32, f16, bf16
  std::string bnb_4bit_quant_type = "fp4";                             // or "nf4"
  bool bnb_4bit_use_double_quant = false;                              // scales in 8 bits
  dtype_id bnb_4bit_quant_storage = dtype_id::u8;  // what files call the codes: u8, i8, f16, bf16, f32, f64

  /// As config.json has it.
  json to_json() const;
};

/// What save_pretrained asks for (saving.hpp). Throws config_error for values that contradict themselves,
/// unsupported_error for 8 bits, regular expressions among names, and models whose layers round what they see.
std::unique_ptr<weight_quantizer> quantizer_of(const BitsAndBytesConfig& quantization, ModelParts& model,
                                               const AnyConfig& config, std::string_view where);

}  // namespace hft

#if HFT_DEFINES(MODELS)
#include <algorithm>
#include <functional>
#include <initializer_list>
#include <set>
#include <utility>

#include <hft/error.hpp>
#include <hft/log.hpp>
#include <hft/models/loading.hpp>
#include <hft/name_rules.hpp>
#include <hft/quantization/bitsandbytes_writer.hpp>
#include <hft/quantization/module_names.hpp>

namespace hft {

HFT_INLINE_ONCE json BitsAndBytesConfig::to_json() const {
  json o = json::object();
  o["_load_in_4bit"] = o["load_in_4bit"] = load_in_4bit;
  o["_load_in_8bit"] = o["load_in_8bit"] = load_in_8bit;
  o["bnb_4bit_compute_dtype"] = detail::torch_dtype_name(bnb_4bit_compute_dtype);
  o["bnb_4bit_quant_storage"] = detail::torch_dtype_name(bnb_4bit_quant_storage);
  o["bnb_4bit_quant_type"] = bnb_4bit_quant_type;
  o["bnb_4bit_use_double_quant"] = bnb_4bit_use_double_quant;
  o["llm_int8_enable_fp32_cpu_offload"] = false;
  o["llm_int8_has_fp16_weight"] = false;
  o["llm_int8_skip_modules"] = llm_int8_skip_modules ? json(*llm_int8_skip_modules) : json(nullptr);
  o["llm_int8_threshold"] = 6.0;
  o["quant_method"] = "bitsandbytes";
  return o;
}

namespace detail {

inline void check_bitsandbytes(const BitsAndBytesConfig& c) {
  constexpr const char* where = "BitsAndBytesConfig";
  if (c.load_in_8bit) throw unsupported_error(where, "load_in_8bit", "load_in_4bit", "true");
  if (!c.load_in_4bit) throw config_error(where, "load_in_4bit", "true", "false");
  if (c.bnb_4bit_quant_type != "nf4" && c.bnb_4bit_quant_type != "fp4")
    throw config_error(where, "bnb_4bit_quant_type", "nf4 or fp4", quote_text(c.bnb_4bit_quant_type));
  const auto among = [](dtype_id id, std::initializer_list<dtype_id> ids) {
    return std::find(ids.begin(), ids.end(), id) != ids.end();
  };
  using enum dtype_id;
  if (!among(c.bnb_4bit_compute_dtype, {f32, f16, bf16}))
    throw config_error(where, "bnb_4bit_compute_dtype", "f32, f16 or bf16",
                       std::string(name(c.bnb_4bit_compute_dtype)));
  if (!among(c.bnb_4bit_quant_storage, {u8, i8, f16, bf16, f32, f64}))
    throw config_error(where, "bnb_4bit_quant_storage", "u8, i8, f16, bf16, f32 or f64",
                       std::string(name(c.bnb_4bit_quant_storage)));
  if (c.llm_int8_skip_modules)
    for (const std::string& listed : *c.llm_int8_skip_modules)
      if (listed.empty() || listed.find_first_of("*+?[](){}|^$\\") != listed.npos)
        throw unsupported_error(where, "llm_int8_skip_modules", "beginnings or ends of modules' names",
                                quote_text(listed));
}

/// The modules that Transformers leaves as they are where no list is given, by the beginnings or the ends of names.
inline std::vector<std::string> default_skip_modules(const ModelParts& model, const linear_layers& layers) {
  std::vector<std::string> kept;
  const auto add = [&](std::string_view path) {
    const auto layer = linear_layers::layer_of(path);
    const std::string name(layer.empty() ? path : layer);
    if (!name.empty() && std::find(kept.begin(), kept.end(), name) == kept.end()) kept.push_back(name);
  };
  for (const auto& [copy, original] : model.tied_parameters()) add(copy), add(original);
  // The last parameter is the head's where there is one.
  add(model.output_embeddings().empty() ? layers.last_parameter() : model.output_embeddings());
  return kept;
}

/// Whether a path is that of one of a layer's experts, by number: Transformers has them as one parameter, no layers.
inline bool is_of_expert(std::string_view path) {
  constexpr std::string_view experts = ".experts.";
  const auto at = path.find(experts);
  return at != path.npos && path[at + experts.size()] >= '0' && path[at + experts.size()] <= '9';
}

class bitsandbytes_quantizer final : public weight_quantizer {
 public:
  bitsandbytes_quantizer(const BitsAndBytesConfig& quantization, ModelParts& model, const AnyConfig& config,
                         std::string_view where)
      : config_(quantization),
        format_{.nf4 = quantization.bnb_4bit_quant_type == "nf4",
                .double_quant = quantization.bnb_4bit_use_double_quant,
                .storage = quantization.bnb_4bit_quant_storage},
        where_(where) {
    const linear_layers layers(model);
    if (!layers.rounding().empty())
      throw unsupported_error(where, "layers that round what they see, quantised", "layers of floating weights",
                              quote_text(layers.rounding().front()));
    auto kept = quantization.llm_int8_skip_modules.value_or(default_skip_modules(model, layers));
    // Which parameter is the last is for Transformers to say: where it is another one there, the list is given.
    const std::string& last = layers.last_parameter();
    if (layers.is_weight(last) && model.output_embeddings().empty()) config_.llm_int8_skip_modules = kept;
    for (const char* router : {".router", ".router.layer", ".gate"})  // of experts: parameters of no linear layer there
      kept.emplace_back(router);
    for (const std::string_view listed : config.info().names.kept_linear) kept.emplace_back(listed);
    const std::string prefix = model.base_model_prefix().empty() ? "" : cat(model.base_model_prefix(), ".");
    std::set<std::string_view> again;  // formats whose weights are rounded a second time
    bool scales = false;
    for_each_parameter(model, [&](const std::string& path, parameter& p) {
      if (!layers.is_weight(path) || lists_module(kept, linear_layers::layer_of(path))) return;
      const std::string_view inner = std::string_view(path).substr(path.starts_with(prefix) ? prefix.size() : 0);
      if (is_of_expert(path) || whole_of(config.info().names.stacks, inner)) return;
      weights_.insert(path);
      if (p.format() == dtype_id::nf4 && format_.nf4)
        scales = scales || format_.double_quant;
      else if (info(p.format()).block > 1)
        again.insert(name(p.format()));
    });
    if (weights_.empty())
      log_message(log_level::warning, where, "quantization_config: the model has no layer that bitsandbytes quantises");
    if (!again.empty()) {
      std::string names;
      for (const auto format : again) names.append(names.empty() ? "" : ", ").append(format);
      log_message(log_level::warning, where,
                  joined("weights in ", names, " are rounded a second time, to ", format_.quant_type()));
    }
    if (scales)
      log_message(log_level::warning, where,
                  "scales of weights in nf4 are rounded to 8 bits, as bnb_4bit_use_double_quant asks");
  }

  json to_json() const override { return config_.to_json(); }
  bool takes(std::string_view path) const override { return weights_.contains(path); }
  std::vector<stored_tensor> quantized(const stored_tensor& weight, dtype_id dtype) const override {
    return bitsandbytes_tensors(weight, format_, torch_dtype_name(dtype), where_);
  }

 private:
  BitsAndBytesConfig config_;
  bitsandbytes_format format_;
  std::string where_;
  std::set<std::string, std::less<>> weights_;
};

}  // namespace detail

HFT_INLINE_ONCE std::unique_ptr<weight_quantizer> quantizer_of(const BitsAndBytesConfig& quantization,
                                                               ModelParts& model, const AnyConfig& config,
                                                               std::string_view where) {
  detail::check_bitsandbytes(quantization);
  return std::make_unique<detail::bitsandbytes_quantizer>(quantization, model, config, where);
}

}  // namespace hft

#endif  // HFT_DEFINES
