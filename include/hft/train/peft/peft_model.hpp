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
#include <string>
#include <type_traits>
#include <utility>

#include <hft/layers/lora.hpp>
#include <hft/layers/low_rank.hpp>
#include <hft/models/any_config.hpp>
#include <hft/models/output.hpp>
#include <hft/train/peft/peft_adapters.hpp>

namespace hft {

/// A model of layer kind with_lora and its adapters.
template <class Model>
class PeftModel final : public PeftAdapters {
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
  explicit PeftModel(Model base)
      : PeftAdapters(D::tracked), base_(std::move(base)), tied_(!base_.tied_parameters().empty()) {}
  /// With one that is read from a folder; trainable where asked. (PeftModel.from_pretrained)
  PeftModel(Model base, const std::filesystem::path& folder, const std::string& name = "default",
            bool is_trainable = false)
      : PeftModel(std::move(base)) {
    load_adapter(folder, name, is_trainable);
    set_adapter(name);
  }

  /// The base model with the active adapters in its weights. A tied head is tied no longer where it or its embedding
  /// was changed.
  Model merge_and_unload() && {
    merge_and_forget();
    return std::move(base_);
  }
  /// The base model as it was.
  Model unload() && {
    forget(tied_);
    return std::move(base_);
  }

  /// The model, adapters and all: what generate() and as_inference() take.
  const Model& base_model() const { return base_; }
  Model& base_model() { return base_; }

  /// As the model itself is called.
  template <class In = inputs, class Args = ForwardArgs<A, D>>
  requires detail::ModelInput<In, inputs>
  auto operator()(const In& in, const Args& args = {}) const { return base_(in, args); }
  const auto& config() const requires requires(const Model& m) { m.config(); }
  { return base_.config(); }
  const AnyConfig& any_config() const { return base_.any_config(); }
  std::string architecture() const { return base_.architecture(); }
  decltype(auto) classifier_options() const requires requires(const Model& m) { m.classifier_options(); }
  { return base_.classifier_options(); }

 private:
  ModelParts& base_parts() override { return base_; }
  const AnyConfig& base_config() const override { return base_.any_config(); }
  std::string base_class() const override { return base_.architecture(); }

  Model base_;
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
