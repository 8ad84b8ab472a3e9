// architecture: what a list of architectures (auto.hpp) knows of one. A tag by hand has the same members.
//
//   struct llama : architecture<LlamaConfig, LlamaModel, LlamaForCausalLM, LlamaForSequenceClassification> {};
#pragma once
#include <span>
#include <string_view>
#include <utility>

#include <hft/device.hpp>
#include <hft/layers/build.hpp>
#include <hft/type_list.hpp>

namespace hft {

class gguf_file;

/// Base: the class of a checkpoint that names none; Heads: all others.
template <class Config, template <class, Device, class, class> class Base,
          template <class, Device, class, class> class... Heads>
struct architecture {
  using config_type = Config;
  static constexpr const char* model_type = Config::model_type;  // in config.json
  static constexpr std::string_view gguf_architecture = Config::names.gguf_name(model_type);
  static constexpr std::span<const std::pair<std::string_view, std::string_view>> gguf_classes =
      Config::names.gguf_classes;
  static constexpr bool (*gguf_told)(const gguf_file&) = Config::names.gguf_told;
  template <class W, class D>
  using base_model = Base<W, D, plain, runtime>;
  template <class W, class D>
  using models = type_list<Base<W, D, plain, runtime>, Heads<W, D, plain, runtime>...>;
};

}  // namespace hft
