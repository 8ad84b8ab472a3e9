// Adapters on models of any architecture.
//
//   auto model = AutoModelForCausalLM<>::from_pretrained("smollm2");
//   load_adapter(model, "adapter");
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include <hft/auto.hpp>
#include <hft/train/peft/adapter_files.hpp>
#include <hft/train/peft/adapters.hpp>

namespace hft {

/// Puts the adapter of a folder on a model and makes it active. Throws what reading it throws, weight_error where it
/// does not fit, and unsupported_error for a model whose classes take none. Returns what to warn of.
/// (transformers.integrations.PeftAdapterMixin.load_adapter)
template <class A, class D>
std::vector<std::string> load_adapter(AnyModel<A, D>& model, const std::filesystem::path& folder,
                                      const std::string& name = "default") {
  const detail::adapted_model erased{model.parts(), [&] { model.describe(); }};
  detail::adapter_set adapters(false);
  adapters.load(erased, folder, name, LoraConfig::from_pretrained(folder), model.config().model_type);
  adapters.activate(erased, {name});
  model.tie_weights();
  return adapters.warnings(name);
}

}  // namespace hft
