// Adapters on models of any architecture: the run-time facade over classes of layer kind with_lora.
//
//   auto model = AutoModelForCausalLM<any_q, cpu, lora_archs>::from_pretrained("smollm2");
//   load_adapter(model, "adapter");
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include <hft/auto.hpp>
#include <hft/layers/lora.hpp>
#include <hft/train/peft/adapter_files.hpp>
#include <hft/train/peft/adapters.hpp>

namespace hft {

namespace detail {

// A model's class with another layer kind.
template <class B, class L>
struct build_of_kind;
template <class W, class D, class Old, class S, class L>
struct build_of_kind<build<W, D, Old, S>, L> {
  using type = build<W, D, L, S>;
};
template <class Model, class L>
struct model_of_kind {
  using type = typename Model::template on_build<typename build_of_kind<typename Model::build_type, L>::type>;
};
template <class... Models, class L>
struct model_of_kind<type_list<Models...>, L> {
  using type = type_list<typename model_of_kind<Models, L>::type...>;
};

// Not every architecture has these.
template <class Arch, class W, class D>
struct lora_base_model {};
template <class Arch, class W, class D>
requires requires { typename Arch::template base_model<W, D>; }
struct lora_base_model<Arch, W, D> : model_of_kind<typename Arch::template base_model<W, D>, with_lora> {};

template <class Archs>
struct archs_with_lora;

}  // namespace detail

/// An architecture whose classes take adapters.
template <class Arch>
struct with_adapters {
  static constexpr const char* model_type = Arch::model_type;
  template <class W, class D>
  using base_model = typename detail::lora_base_model<Arch, W, D>::type;
  template <class W, class D>
  using models = typename detail::model_of_kind<typename Arch::template models<W, D>, with_lora>::type;
};

namespace detail {
template <class... Archs>
struct archs_with_lora<archs<Archs...>> {
  using type = archs<with_adapters<Archs>...>;
};
}  // namespace detail

/// A list of architectures whose classes take adapters.
template <class Archs>
using archs_with_adapters = typename detail::archs_with_lora<Archs>::type;
using lora_archs = archs_with_adapters<default_archs>;

/// Puts the adapter of a folder on a model and makes it active. Throws what reading it throws, weight_error where it
/// does not fit, and unsupported_error for a model whose classes take none. Returns what to warn of.
/// (transformers.integrations.PeftAdapterMixin.load_adapter)
template <class A, class D>
std::vector<std::string> load_adapter(AnyModel<A, D>& model, const std::filesystem::path& folder,
                                      const std::string& name = "default") {
  const auto erased = detail::adapted_model::of(model);
  detail::adapter_set adapters(false);
  adapters.load(erased, folder, name, LoraConfig::from_pretrained(folder), model.config().model_type);
  adapters.activate(erased, {name});
  model.tie_weights();
  return adapters.warnings(name);
}

}  // namespace hft
