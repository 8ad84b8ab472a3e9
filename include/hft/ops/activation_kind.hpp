// The activations of Transformers' ACT2FN, by its names.
#pragma once
#include <array>
#include <optional>
#include <string_view>
#include <utility>

namespace hft {

enum class Activation {
  gelu,
  gelu_new,
  gelu_fast,
  gelu_pytorch_tanh,
  quick_gelu,
  gelu_10,
  relu,
  relu2,
  relu6,
  leaky_relu,
  sigmoid,
  silu,
  tanh,
  mish,
  hardswish,
  laplace,
  linear,
  sqrtsoftplus
};

inline constexpr std::array<std::pair<std::string_view, Activation>, 22> activation_names{{
    {"gelu", Activation::gelu},
    {"gelu_python", Activation::gelu},
    {"gelu_new", Activation::gelu_new},
    {"gelu_accurate", Activation::gelu_new},
    {"gelu_fast", Activation::gelu_fast},
    {"gelu_pytorch_tanh", Activation::gelu_pytorch_tanh},
    {"gelu_python_tanh", Activation::gelu_pytorch_tanh},
    {"quick_gelu", Activation::quick_gelu},
    {"gelu_10", Activation::gelu_10},
    {"relu", Activation::relu},
    {"relu2", Activation::relu2},
    {"relu6", Activation::relu6},
    {"leaky_relu", Activation::leaky_relu},
    {"sigmoid", Activation::sigmoid},
    {"silu", Activation::silu},
    {"swish", Activation::silu},
    {"tanh", Activation::tanh},
    {"mish", Activation::mish},
    {"hardswish", Activation::hardswish},
    {"laplace", Activation::laplace},
    {"linear", Activation::linear},
    {"sqrtsoftplus", Activation::sqrtsoftplus},
}};

/// The activation of a config's `hidden_act`, or nothing.
constexpr std::optional<Activation> activation_from_name(std::string_view name) {
  for (const auto& [n, a] : activation_names)
    if (n == name) return a;
  return {};
}

}  // namespace hft
