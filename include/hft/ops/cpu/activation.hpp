// Activations on the CPU, plain (y = f(x)) and gated (y = f(gate) * up); y may be one of the arguments.
#pragma once
#include <hft/linkage.hpp>
#include <hft/ops/activation_kind.hpp>
#include <hft/tensor.hpp>

namespace hft {

void activation_kernel(cpu, matrix<f32> y, matrix<const f32> x, Activation f);
void gated_activation_kernel(cpu, matrix<f32> y, matrix<const f32> gate, matrix<const f32> up, Activation f);

}  // namespace hft

#if HFT_DEFINES(KERNELS)
#include <algorithm>
#include <cmath>

#include <hft/ops/cpu/isa.hpp>
#include <hft/ops/cpu/vector_math.hpp>
#include <hft/parallel.hpp>

namespace hft {

// ---- the oracle

namespace detail {

/// f(x), by the formulas of Transformers' activations.py.
inline f32 activate_scalar(f32 x, Activation f) {
  constexpr f32 sqrt_half = 0.70710678118654752f, sqrt_2_over_pi = 0.79788456080286536f;
  switch (f) {
    case Activation::gelu:
      return 0.5f * x * (1 + std::erf(x * sqrt_half));
    case Activation::gelu_10:
      return std::clamp(0.5f * x * (1 + std::erf(x * sqrt_half)), -10.0f, 10.0f);
    case Activation::gelu_new:  // these three are one formula, written three times in Transformers
    case Activation::gelu_fast:
    case Activation::gelu_pytorch_tanh:
      return 0.5f * x * (1 + std::tanh(sqrt_2_over_pi * x * (1 + 0.044715f * x * x)));
    case Activation::quick_gelu:
      return x / (1 + std::exp(-1.702f * x));
    case Activation::relu:
      return std::max(x, 0.0f);
    case Activation::relu2:
      return std::max(x, 0.0f) * std::max(x, 0.0f);
    case Activation::relu6:
      return std::clamp(x, 0.0f, 6.0f);
    case Activation::leaky_relu:
      return x > 0 ? x : 0.01f * x;
    case Activation::sigmoid:
      return 1 / (1 + std::exp(-x));
    case Activation::silu:
      return x / (1 + std::exp(-x));
    case Activation::tanh:
      return std::tanh(x);
    case Activation::mish:
      return x * std::tanh(x > 20 ? x : std::log1p(std::exp(x)));
    case Activation::hardswish:
      return x * std::clamp(x + 3, 0.0f, 6.0f) / 6;
    case Activation::laplace:
      return 0.5f * (1 + std::erf((x - 0.707107f) / (0.282095f * 1.41421356f)));
    case Activation::linear:
      return x;
    case Activation::sqrtsoftplus:
      return std::sqrt(x > 20 ? x : std::log1p(std::exp(x)));
  }
  return x;
}

}  // namespace detail

inline void activation_kernel(isa::generic, matrix<f32> y, matrix<const f32> x, Activation f) {
  for (isize i = 0; i < y.rows; ++i)
    for (isize j = 0; j < y.cols; ++j) y.row(i)[j] = detail::activate_scalar(x.row(i)[j], f);
}

inline void gated_activation_kernel(isa::generic, matrix<f32> y, matrix<const f32> gate, matrix<const f32> up,
                                    Activation f) {
  for (isize i = 0; i < y.rows; ++i)
    for (isize j = 0; j < y.cols; ++j) y.row(i)[j] = detail::activate_scalar(gate.row(i)[j], f) * up.row(i)[j];
}

// ---- by vectors

namespace detail {

/// y = f(x), or f(x) * up where up is not null.
template <class V, class F>
void activate_rows(matrix<f32> y, matrix<const f32> x, const matrix<const f32>* up, F f) {
  for (isize i = 0; i < y.rows; ++i)
    if (up)
      isa::map_row<V>(
          y.row(i), y.cols, [=](V v, V u) { return f(v) * u; }, x.row(i), up->row(i));
    else
      isa::map_row<V>(y.row(i), y.cols, f, x.row(i));
}

template <class V>
void activate(matrix<f32> y, matrix<const f32> x, const matrix<const f32>* up, Activation f) {
  const auto with = [&](auto function) { activate_rows<V>(y, x, up, function); };
  const auto c = [](f32 constant) { return V::set(constant); };
  const auto gelu = [=](V v) { return c(0.5f) * v * (c(1) + erf(v * c(0.70710678118654752f))); };
  switch (f) {
    case Activation::gelu:
      return with(gelu);
    case Activation::gelu_10:
      return with([=](V v) { return min(c(10), max(c(-10), gelu(v))); });
    case Activation::gelu_new:
    case Activation::gelu_fast:
    case Activation::gelu_pytorch_tanh:
      return with([=](V v) {
        const V inner = c(0.79788456080286536f) * v * fma(c(0.044715f) * v, v, c(1));
        return c(0.5f) * v * (c(1) + tanh(inner));
      });
    case Activation::quick_gelu:
      return with([=](V v) { return v / (c(1) + exp(c(-1.702f) * v)); });
    case Activation::relu:
      return with([=](V v) { return max(c(0), v); });
    case Activation::relu2:
      return with([=](V v) { return max(c(0), v) * max(c(0), v); });
    case Activation::relu6:
      return with([=](V v) { return min(c(6), max(c(0), v)); });
    case Activation::leaky_relu:
      return with([=](V v) { return max(c(0.01f) * v, v); });
    case Activation::sigmoid:
      return with([=](V v) { return sigmoid(v); });
    case Activation::silu:
      return with([=](V v) { return v / (c(1) + exp(c(0) - v)); });
    case Activation::tanh:
      return with([=](V v) { return tanh(v); });
    case Activation::mish:  // tanh(log(1 + e)) = ((1 + e)^2 - 1) / ((1 + e)^2 + 1)
      return with([=](V v) {
        const V e = exp(min(c(20), v)), n = e * (e + c(2));
        return v * (n / (n + c(2)));
      });
    case Activation::hardswish:
      return with([=](V v) { return v * min(c(6), max(c(0), v + c(3))) / c(6); });
    case Activation::laplace:
      return with([=](V v) { return c(0.5f) * (c(1) + erf((v - c(0.707107f)) / c(0.282095f * 1.41421356f))); });
    case Activation::linear:
      return with([](V v) { return v; });
    case Activation::sqrtsoftplus:  // a router's scores, few elements: left to the plain kernel
      return up ? gated_activation_kernel(isa::generic{}, y, x, *up, f) : activation_kernel(isa::generic{}, y, x, f);
  }
}

}  // namespace detail

template <isa::vectorised Isa>
void activation_kernel(Isa, matrix<f32> y, matrix<const f32> x, Activation f) {
  detail::activate<isa::floats<Isa>>(y, x, nullptr, f);
}

template <isa::vectorised Isa>
void gated_activation_kernel(Isa, matrix<f32> y, matrix<const f32> gate, matrix<const f32> up, Activation f) {
  detail::activate<isa::floats<Isa>>(y, gate, &up, f);
}

// ---- on all threads

HFT_INLINE void activation_kernel(cpu, matrix<f32> y, matrix<const f32> x, Activation f) {
  detail::parallel_rows(y.rows, y.cols, 16384, [&](isize begin, isize end) {
    activation_kernel(isa::native{}, detail::rows_between(y, begin, end), detail::rows_between(x, begin, end), f);
  });
}
HFT_INLINE void gated_activation_kernel(cpu, matrix<f32> y, matrix<const f32> gate, matrix<const f32> up,
                                        Activation f) {
  detail::parallel_rows(y.rows, y.cols, 16384, [&](isize begin, isize end) {
    gated_activation_kernel(isa::native{}, detail::rows_between(y, begin, end), detail::rows_between(gate, begin, end),
                            detail::rows_between(up, begin, end), f);
  });
}

}  // namespace hft
#endif  // HFT_DEFINES
