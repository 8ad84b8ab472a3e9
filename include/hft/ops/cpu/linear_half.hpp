// linear and its gradients in half precision: every operand is rounded to the weight's dtype, bf16 or f16, and summed
// in f32. Results and gradients stay f32.
//
// Where the processor has no products of that dtype, the rounded operands go through the kernels of f32, so results are
// the same up to the order of sums, and a step takes as long as one in f32.
#pragma once
#include <array>
#include <cstddef>

#include <hft/linkage.hpp>
#include <hft/tensor.hpp>

namespace hft {

namespace detail {
template <class Half, class X>
void half_products(const matrix<f32>* y, matrix<const X> x, const weight_matrix<Half>* w, const f32* const* bias,
                   std::size_t count);
}  // namespace detail

/// y[i] (M, N_i) = x (M, K) w[i] (N_i, K)^T + bias[i] (N_i, or null). x may be in f32 or in Half.
template <class Half, class X, std::size_t N>
void linears_half_kernel(cpu, const std::array<matrix<f32>, N>& y, matrix<const X> x,
                         const std::array<weight_matrix<Half>, N>& w, const std::array<const f32*, N>& bias) {
  detail::half_products(y.data(), x, w.data(), bias.data(), N);
}

/// dx (M, K) = dy (M, N) w (N, K), or += if `add`.
template <class Half>
void linear_half_input_gradient_kernel(cpu, matrix<f32> dx, matrix<const f32> dy, weight_matrix<Half> w, bool add);

/// dw (N, K) = dy (M, N)^T x (M, K), or += if `add`.
template <class Half, class X>
void linear_half_weight_gradient_kernel(cpu, matrix<f32> dw, matrix<const f32> dy, matrix<const X> x, bool add);

}  // namespace hft

#if HFT_DEFINES(KERNELS)
#include <hft/ops/cpu/gemm_half.hpp>
#include <hft/ops/cpu/linear.hpp>
#include <hft/ops/cpu/linear_backward.hpp>

namespace hft {

template <class Half, class X>
void detail::half_products(const matrix<f32>* y, matrix<const X> x, const weight_matrix<Half>* w,
                           const f32* const* bias, std::size_t count) {
  if (x.rows == 0) return;
#if defined(HFT_ISA_AVX512BF16)
  if constexpr (detail::multiplies_half<Half>) {
    namespace panels = detail::bf16_panels;
    const panels::packed<panels::rows> left(x, true);
    for (std::size_t i = 0; i < count; ++i) {
      const panels::packed<panels::columns> right(matrix<const Half>{w[i].data, w[i].rows, w[i].cols, w[i].stride},
                                                  true);
      panels::multiply(y[i], left, right, bias[i], false);
    }
    return;
  }
#endif
  const auto rounded = detail::rounded_to_f32<Half>(x);
  for (std::size_t i = 0; i < count; ++i) {
    const auto wide = detail::rounded_to_f32<Half>(matrix<const Half>{w[i].data, w[i].rows, w[i].cols, w[i].stride});
    linears_kernel(
        cpu{}, std::array{y[i]}, rounded.second,
        std::array{weight_matrix<f32>{wide.second.data, wide.second.rows, wide.second.cols, wide.second.stride}},
        std::array{bias[i]});
  }
}

template <class Half>
void linear_half_input_gradient_kernel(cpu, matrix<f32> dx, matrix<const f32> dy, weight_matrix<Half> w, bool add) {
  const matrix<const Half> weight{w.data, w.rows, w.cols, w.stride};
#if defined(HFT_ISA_AVX512BF16)
  if constexpr (detail::multiplies_half<Half>) {
    namespace panels = detail::bf16_panels;
    return panels::multiply(dx, panels::packed<panels::rows>(dy, true), panels::packed<panels::columns>(weight, false),
                            nullptr, add);
  }
#endif
  const auto g = detail::rounded_to_f32<Half>(dy), wide = detail::rounded_to_f32<Half>(weight);
  linear_input_gradient_kernel<f32>(
      cpu{}, dx, g.second, weight_matrix<f32>{wide.second.data, wide.second.rows, wide.second.cols, wide.second.stride},
      add);
}

template <class Half, class X>
void linear_half_weight_gradient_kernel(cpu, matrix<f32> dw, matrix<const f32> dy, matrix<const X> x, bool add) {
#if defined(HFT_ISA_AVX512BF16)
  if constexpr (detail::multiplies_half<Half>) {
    namespace panels = detail::bf16_panels;
    return panels::multiply(dw, panels::packed<panels::rows>(dy, false), panels::packed<panels::columns>(x, false),
                            nullptr, add);
  }
#endif
  const auto g = detail::rounded_to_f32<Half>(dy), rounded = detail::rounded_to_f32<Half>(x);
  linear_weight_gradient_kernel<f32>(cpu{}, dw, g.second, rounded.second, add);
}

#define HFT_OF_HALF(Half, X)                                                                                  \
  HFT_INSTANTIATE(void detail::half_products(const matrix<f32>*, matrix<const X>, const weight_matrix<Half>*, \
                                             const f32* const*, std::size_t))                                 \
  HFT_INSTANTIATE(                                                                                            \
      void linear_half_weight_gradient_kernel<Half>(cpu, matrix<f32>, matrix<const f32>, matrix<const X>, bool))
HFT_OF_HALF(bf16, f32)
HFT_OF_HALF(bf16, bf16)
HFT_OF_HALF(f16, f32)
HFT_OF_HALF(f16, f16)
#undef HFT_OF_HALF
HFT_INSTANTIATE(void linear_half_input_gradient_kernel(cpu, matrix<f32>, matrix<const f32>, weight_matrix<bf16>, bool))
HFT_INSTANTIATE(void linear_half_input_gradient_kernel(cpu, matrix<f32>, matrix<const f32>, weight_matrix<f16>, bool))

}  // namespace hft
#endif  // HFT_DEFINES
