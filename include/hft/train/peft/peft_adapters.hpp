// PeftAdapters: what a PeftModel does beside computing, whatever its model's type.
#pragma once
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <hft/linkage.hpp>
#include <hft/models/any_config.hpp>
#include <hft/models/model_parts.hpp>
#include <hft/train/peft/adapter_files.hpp>
#include <hft/train/peft/adapters.hpp>

namespace hft {

/// The adapters of a model of layer kind with_lora. Several adapters have names; one is active, or some together.
class PeftAdapters {
 public:
  virtual ~PeftAdapters() = default;

  /// Adds a new adapter; the first one is made active. Its A factors are drawn from `seed`. All parameters of the base
  /// are frozen. Throws value_error where config names no layer, config_error for values out of range.
  void add_adapter(const std::string& name, LoraConfig config, std::uint64_t seed = 0);
  /// Adds an adapter from a folder, inactive unless it is the first. Throws what reading throws, and weight_error where
  /// it does not fit the model.
  void load_adapter(const std::filesystem::path& folder, const std::string& name, bool is_trainable = false);
  /// Writes adapters as peft does: "default" into the folder itself, others into folders of their names inside it.
  void save_pretrained(const std::filesystem::path& folder) const;
  void save_adapter(const std::filesystem::path& folder, const std::string& name) const;
  void delete_adapter(const std::string& name);

  /// Makes one adapter the active one, or several, whose changes add up.
  void set_adapter(const std::string& name) { set_adapter(std::vector<std::string>{name}); }
  void set_adapter(std::vector<std::string> names);
  const std::vector<std::string>& active_adapters() const { return adapters_.active(); }
  std::vector<std::string> adapter_names() const { return adapters_.names(); }
  /// The key that the parameter at `path` has in an adapter's file, or nothing where it is not the adapter's:
  /// "base_model.model.lm_head.lora_A.weight" for "lm_head.lora_A.default.weight".
  std::optional<std::string> stored_name(const std::string& path, const std::string& name = "default") const;
  const LoraConfig& peft_config(const std::string& name = "default") const { return adapters_.config(name); }
  /// What the config of an adapter says to no effect.
  const std::vector<std::string>& warnings(const std::string& name = "default") const {
    return adapters_.warnings(name);
  }

  /// While it lives, the model is its base.
  class disabled_adapter {
   public:
    explicit disabled_adapter(PeftAdapters& model) : model_(model), was_(model.adapters_.enabled()) {
      model.enable(false);
    }
    ~disabled_adapter() { model_.enable(was_); }
    disabled_adapter(const disabled_adapter&) = delete;
    disabled_adapter& operator=(const disabled_adapter&) = delete;

   private:
    PeftAdapters& model_;
    bool was_;
  };
  [[nodiscard]] disabled_adapter disable_adapter() { return disabled_adapter(*this); }

  /// Adds the active adapters to the weights, so that they cost nothing more. A head and an embedding that were tied
  /// are so no longer where one of them changes.
  void merge_adapter();
  /// The weights as they were, to the bit.
  void unmerge_adapter();

  /// All parameters: the base's, and those of adapters as PATH.lora_A.NAME.weight.
  void visit(visitor& v) { base_parts().visit(v); }
  void tie_weights() { base_parts().tie_weights(); }

 protected:
  explicit PeftAdapters(bool trains) : adapters_(trains) {}
  PeftAdapters(PeftAdapters&&) = default;
  PeftAdapters& operator=(PeftAdapters&&) = default;

  virtual ModelParts& base_parts() = 0;
  virtual const AnyConfig& base_config() const = 0;
  /// The name of the base's class in Transformers.
  virtual std::string base_class() const = 0;

  /// Leaves the base without adapters: with the active ones in its weights, or as it was.
  void merge_and_forget();
  void forget(bool was_tied);

 private:
  const char* model_type() const { return base_config().info().model_type; }
  detail::adapted_model adapted() { return {base_parts()}; }
  // A visit that changes nothing.
  detail::adapted_model adapted() const { return const_cast<PeftAdapters*>(this)->adapted(); }
  void enable(bool enabled);
  void untie_adapted();

  detail::adapter_set adapters_;
};

#if HFT_DEFINES(TRAIN)

HFT_INLINE void PeftAdapters::add_adapter(const std::string& name, LoraConfig config, std::uint64_t seed) {
  if (!config.task_type && config.auto_mapping.is_null())
    config.auto_mapping = {
        {"base_model_class", base_class()},
        {"parent_library", detail::cat("transformers.models.", model_type(), ".modeling_", model_type())}};
  adapters_.add(adapted(), name, std::move(config), model_type(), seed);
  if (adapters_.active().empty()) set_adapter(name);
}

HFT_INLINE void PeftAdapters::load_adapter(const std::filesystem::path& folder, const std::string& name,
                                           bool is_trainable) {
  auto config = LoraConfig::from_pretrained(folder);
  config.inference_mode = !is_trainable;
  adapters_.load(adapted(), folder, name, std::move(config), model_type());
  if (adapters_.active().empty()) set_adapter(name);
  tie_weights();
}

HFT_INLINE void PeftAdapters::save_pretrained(const std::filesystem::path& folder) const {
  for (const auto& name : adapters_.names()) save_adapter(name == "default" ? folder : folder / name, name);
}

HFT_INLINE void PeftAdapters::save_adapter(const std::filesystem::path& folder, const std::string& name) const {
  adapters_.save(adapted(), folder, name);
}

HFT_INLINE void PeftAdapters::delete_adapter(const std::string& name) {
  adapters_.remove(adapted(), name);
  tie_weights();
}

HFT_INLINE void PeftAdapters::set_adapter(std::vector<std::string> names) {
  adapters_.activate(adapted(), std::move(names));
  tie_weights();
}

HFT_INLINE std::optional<std::string> PeftAdapters::stored_name(const std::string& path,
                                                                const std::string& name) const {
  return adapters_.stored_name(adapted(), path, name);
}

HFT_INLINE void PeftAdapters::merge_adapter() {
  untie_adapted();
  for (const auto& [path, layer] : adapted().layers()) layer->merge();
}

HFT_INLINE void PeftAdapters::unmerge_adapter() {
  for (const auto& [path, layer] : adapted().layers()) layer->unmerge();
}

HFT_INLINE void PeftAdapters::merge_and_forget() {
  untie_adapted();
  // No config says that some parameters are tied and others are not.
  if (!get_field(base_config().ref(), "tie_word_embeddings").value_or(0))
    for (const auto& [copy, original] : base_parts().tied_parameters()) base_parts().untie(copy);
  adapters_.unload(adapted(), true);
}

HFT_INLINE void PeftAdapters::forget(bool was_tied) {
  adapters_.unload(adapted(), false);
  if (was_tied) base_parts().set_tie_word_embeddings(true);
  tie_weights();
}

HFT_INLINE void PeftAdapters::enable(bool enabled) {
  adapters_.enable(adapted(), enabled);
  tie_weights();
}

// A tie ends where the layer of one of both is about to change.
HFT_INLINE void PeftAdapters::untie_adapted() {
  std::set<std::string> changed;
  for (const auto& [path, layer] : adapted().layers())
    if (layer->adapted()) changed.insert(path + ".weight");
  for (const auto& [copy, original] : base_parts().tied_parameters())
    if (changed.count(copy) || changed.count(original)) base_parts().untie(copy);
}

#endif  // HFT_DEFINES

}  // namespace hft
