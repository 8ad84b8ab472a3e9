// Activations by the names of their classes in PyTorch, as configs of sentence-transformers say them.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <hft/error.hpp>
#include <hft/io/utf8.hpp>
#include <hft/linkage.hpp>
#include <hft/ops/activation_kind.hpp>

namespace hft {
namespace detail {

/// The activation of a class of torch.nn, whatever module its path names; none for Identity. Throws unsupported_error
/// for another class, naming the field of the file `where`.
std::optional<Activation> torch_activation(std::string_view path, std::string_view where,
                                           const char* field = "activation_function");

#if HFT_DEFINES(MODELS)

HFT_INLINE std::optional<Activation> torch_activation(std::string_view path, std::string_view where,
                                                      const char* field) {
  const auto name = path.substr(path.rfind('.') + 1);
  static constexpr std::pair<std::string_view, Activation> known[] = {
      {"Tanh", Activation::tanh},       {"ReLU", Activation::relu},          {"ReLU6", Activation::relu6},
      {"GELU", Activation::gelu},       {"SiLU", Activation::silu},          {"Mish", Activation::mish},
      {"Sigmoid", Activation::sigmoid}, {"Hardswish", Activation::hardswish}};
  if (name == "Identity") return {};
  for (const auto& [its_name, activation] : known)
    if (name == its_name) return activation;
  throw unsupported_error(std::string(where), field,
                          "Identity, Tanh, ReLU, ReLU6, GELU, SiLU, Mish, Sigmoid or Hardswish of torch.nn",
                          quote_text(path));
}

#endif  // HFT_DEFINES

}  // namespace detail
}  // namespace hft
