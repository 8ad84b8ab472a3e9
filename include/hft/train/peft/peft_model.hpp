// PeftModel: a model with adapters, as the peft package has it.
//
//   auto base  = LlamaForCausalLM<f32, autodiff<cpu>, with_lora>::from_pretrained(folder);
//   auto model = get_peft_model(std::move(base), {.r = 16, .lora_alpha = 32, .target_modules = "all-linear"});
//   ... train: only the adapter's parameters are trainable ...
//   model.save_pretrained("adapter");                      // adapter_config.json, adapter_model.safetensors
//
//   auto tuned = PeftModel(LlamaForCausalLM<q4_0, cpu, with_lora>::from_pretrained(folder), "adapter");
//   generate(tuned.base_model(), ids, ...);
//   auto plain_weights = std::move(tuned).merge_and_unload();
#pragma once
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <hft/layers/lora.hpp>
#include <hft/layers/low_rank.hpp>
#include <hft/models/any_config.hpp>
#include <hft/models/output.hpp>
#include <hft/train/peft/adapter_files.hpp>
#include <hft/train/peft/adapters.hpp>

namespace hft {

/// A model of layer kind with_lora and its adapters. Several adapters have names; one is active, or some together.
template <class Model>
class PeftModel {
 public:
  using build_type = typename Model::build_type;
  using inputs = typename Model::inputs;
  using A = typename Model::A;
  using D = typename Model::D;
  static_assert(
      requires { typename build_type::layer_kind; } &&
          requires(Model & m) { build_type::layer_kind::copy_adapters(m, m); },
      "hft: adapters need a model of layer kind with_lora: LlamaForCausalLM<f32, cpu, with_lora>");

  /// Without an adapter yet.
  explicit PeftModel(Model base) : base_(std::move(base)), adapters_(D::tracked), tied_(ties(base_)) {}
  /// With one that is read from a folder; trainable where asked. (PeftModel.from_pretrained)
  PeftModel(Model base, const std::filesystem::path& folder, const std::string& name = "default",
            bool is_trainable = false)
      : PeftModel(std::move(base)) {
    load_adapter(folder, name, is_trainable);
    set_adapter(name);
  }

  /// Adds a new adapter; the first one is made active. Its A factors are drawn from `seed`. All parameters of the base
  /// are frozen. Throws value_error where config names no layer, config_error for values out of range.
  void add_adapter(const std::string& name, LoraConfig config, std::uint64_t seed = 0) {
    if (!config.task_type && config.auto_mapping.is_null())
      config.auto_mapping = {
          {"base_model_class", base_.architecture()},
          {"parent_library", detail::cat("transformers.models.", model_type(), ".modeling_", model_type())}};
    adapters_.add(erased(), name, std::move(config), model_type(), seed);
    if (adapters_.active().empty()) set_adapter(name);
  }
  /// Adds an adapter from a folder, inactive unless it is the first. Throws what reading throws, and weight_error where
  /// it does not fit the model.
  void load_adapter(const std::filesystem::path& folder, const std::string& name, bool is_trainable = false) {
    auto config = LoraConfig::from_pretrained(folder);
    config.inference_mode = !is_trainable;
    adapters_.load(erased(), folder, name, std::move(config), model_type());
    if (adapters_.active().empty()) set_adapter(name);
    base_.tie_weights();
  }
  /// Writes adapters as peft does: "default" into the folder itself, others into folders of their names inside it.
  void save_pretrained(const std::filesystem::path& folder) const {
    for (const auto& name : adapters_.names()) save_adapter(name == "default" ? folder : folder / name, name);
  }
  void save_adapter(const std::filesystem::path& folder, const std::string& name) const {
    adapters_.save(const_cast<PeftModel*>(this)->erased(), folder, name);  // a visit that changes nothing
  }
  void delete_adapter(const std::string& name) { adapters_.remove(erased(), name), base_.tie_weights(); }

  /// Makes one adapter the active one, or several, whose changes add up.
  void set_adapter(const std::string& name) { set_adapter(std::vector<std::string>{name}); }
  void set_adapter(std::vector<std::string> names) {
    adapters_.activate(erased(), std::move(names));
    base_.tie_weights();
  }
  const std::vector<std::string>& active_adapters() const { return adapters_.active(); }
  std::vector<std::string> adapter_names() const { return adapters_.names(); }
  /// The key that the parameter at `path` has in an adapter's file, or nothing where it is not the adapter's:
  /// "base_model.model.lm_head.lora_A.weight" for "lm_head.lora_A.default.weight".
  std::optional<std::string> stored_name(const std::string& path, const std::string& name = "default") const {
    return adapters_.stored_name(const_cast<PeftModel*>(this)->erased(), path, name);
  }
  const LoraConfig& peft_config(const std::string& name = "default") const { return adapters_.config(name); }
  /// What the config of an adapter says to no effect.
  const std::vector<std::string>& warnings(const std::string& name = "default") const {
    return adapters_.warnings(name);
  }

  /// While it lives, the model is its base.
  class disabled_adapter {
   public:
    explicit disabled_adapter(PeftModel& model) : model_(model), was_(model.adapters_.enabled()) {
      model.enable(false);
    }
    ~disabled_adapter() { model_.enable(was_); }
    disabled_adapter(const disabled_adapter&) = delete;
    disabled_adapter& operator=(const disabled_adapter&) = delete;

   private:
    PeftModel& model_;
    bool was_;
  };
  [[nodiscard]] disabled_adapter disable_adapter() { return disabled_adapter(*this); }

  /// Adds the active adapters to the weights, so that they cost nothing more. A head and an embedding that were tied
  /// are so no longer where one of them changes.
  void merge_adapter() {
    untie_adapted();
    for (const auto& [path, layer] : layers()) layer->merge();
  }
  /// The weights as they were, to the bit.
  void unmerge_adapter() {
    for (const auto& [path, layer] : layers()) layer->unmerge();
  }
  /// The base model with the active adapters in its weights. A tied head is tied no longer where it or its embedding
  /// was changed.
  Model merge_and_unload() && {
    untie_adapted();
    if (!get_field(base_.any_config().ref(), "tie_word_embeddings").value_or(0)) untie_all();
    adapters_.unload(erased(), true);
    return std::move(base_);
  }
  /// The base model as it was.
  Model unload() && {
    adapters_.unload(erased(), false);
    if constexpr (requires { base_.set_tie_word_embeddings(true); })
      if (tied_) base_.set_tie_word_embeddings(true);
    base_.tie_weights();
    return std::move(base_);
  }

  /// The model, adapters and all: what generate() and as_inference() take.
  const Model& base_model() const { return base_; }
  Model& base_model() { return base_; }

  template <class... Args>
  auto operator()(const Args&... args) const {
    return base_(args...);
  }
  auto operator()(const inputs& in, const ForwardArgs<A, D>& args) const { return base_(in, args); }
  auto operator()(const typename inputs::main& x, const ForwardArgs<A, D>& args) const { return base_(x, args); }
  /// All parameters: the base's, and those of adapters as PATH.lora_A.NAME.weight.
  void visit(visitor& v) { base_.visit(v); }
  void tie_weights() { base_.tie_weights(); }
  const auto& config() const requires requires(const Model& m) { m.config(); }
  { return base_.config(); }
  const AnyConfig& any_config() const { return base_.any_config(); }
  std::string architecture() const { return base_.architecture(); }
  decltype(auto) classifier_options() const requires requires(const Model& m) { m.classifier_options(); }
  { return base_.classifier_options(); }

 private:
  const char* model_type() const { return base_.any_config().info().model_type; }
  void enable(bool enabled) {
    adapters_.enable(erased(), enabled);
    base_.tie_weights();
  }
  auto layers() { return erased().layers(); }
  detail::adapted_model erased() { return detail::adapted_model::of(base_); }
  // A tie ends where the layer of one of both is about to change.
  void untie_adapted() {
    std::set<std::string> adapted;
    for (const auto& [path, layer] : layers())
      if (layer->adapted()) adapted.insert(path + ".weight");
    for (const auto& [copy, original] : erased().tied_parameters())
      if (adapted.count(copy) || adapted.count(original)) erased().untie(copy);
  }
  // No config says that some parameters are tied and others are not.
  void untie_all() {
    for (const auto& [copy, original] : erased().tied_parameters()) erased().untie(copy);
  }
  static bool ties(const Model& model) {
    if constexpr (requires { model.tied_parameters(); }) return !model.tied_parameters().empty();
    return false;
  }

  Model base_;
  detail::adapter_set adapters_;
  bool tied_;  // whether the base came with tied weights, which adapters may have untied
};

/// A model with one new adapter, active and trainable. (peft.get_peft_model)
template <class Model>
PeftModel<Model> get_peft_model(Model base, const LoraConfig& config, const std::string& name = "default",
                                std::uint64_t seed = 0) {
  PeftModel<Model> out(std::move(base));
  out.add_adapter(name, config, seed);
  return out;
}

}  // namespace hft
