// RMSNorm and LayerNorm on the CPU: row by row, rows over threads. Statistics are accumulated in f32 by
// many partial sums (in f64 by the oracle), and the variance takes a second pass over its row: the mean of squares
// minus the square of the mean would cancel.
#pragma once
#include <hft/linkage.hpp>
#include <hft/tensor.hpp>

namespace hft {

void rms_norm_kernel(cpu, matrix<f32> y, matrix<const f32> x, const f32* weight, f32 eps, isize cols);
void layer_norm_kernel(cpu, matrix<f32> y, matrix<const f32> x, const f32* weight, const f32* bias, f32 eps,
                       isize cols);

}  // namespace hft

#if HFT_DEFINES(KERNELS)
#include <cmath>

#include <hft/ops/cpu/isa.hpp>
#include <hft/ops/cpu/vector_math.hpp>
#include <hft/parallel.hpp>

namespace hft {

// ---- the oracle: statistics in f64

/// y = x / sqrt(mean(x^2) + eps) * weight, row by row; y may be x.
template <class E>
void rms_norm_kernel(isa::generic, matrix<f32> y, matrix<const f32> x, const f32* weight, f32 eps, E cols) {
  for (isize i = 0; i < x.rows; ++i) {
    f64 squares = 0;
    for (isize j = 0; j < cols; ++j) squares += f64(x.row(i)[j]) * x.row(i)[j];
    const f32 scale = f32(1 / std::sqrt(squares / f64(cols) + eps));
    for (isize j = 0; j < cols; ++j) y.row(i)[j] = x.row(i)[j] * scale * weight[j];
  }
}

/// y = (x - mean(x)) / sqrt(variance(x) + eps) * weight + bias, row by row; bias may be null, y may be x.
template <class E>
void layer_norm_kernel(isa::generic, matrix<f32> y, matrix<const f32> x, const f32* weight, const f32* bias, f32 eps,
                       E cols) {
  for (isize i = 0; i < x.rows; ++i) {
    f64 sum = 0, squares = 0;
    for (isize j = 0; j < cols; ++j) sum += x.row(i)[j];
    const f64 mean = sum / f64(cols);
    for (isize j = 0; j < cols; ++j) squares += (x.row(i)[j] - mean) * (x.row(i)[j] - mean);
    const f32 scale = f32(1 / std::sqrt(squares / f64(cols) + eps));
    for (isize j = 0; j < cols; ++j)
      y.row(i)[j] = f32(x.row(i)[j] - mean) * scale * weight[j] + (bias ? bias[j] : 0.0f);
  }
}

// ---- by vectors

template <isa::vectorised Isa, class E>
void rms_norm_kernel(Isa, matrix<f32> y, matrix<const f32> x, const f32* weight, f32 eps, E cols) {
  using V = isa::floats<Isa>;
  for (isize i = 0; i < x.rows; ++i) {
    const f32 squares = isa::sum_row<V>(x.row(i), cols, [](V v) { return v * v; });
    const V scale = V::set(1 / std::sqrt(squares / f32(cols) + eps));
    isa::map_row<V>(
        y.row(i), cols, [=](V v, V w) { return v * scale * w; }, x.row(i), weight);
  }
}

template <isa::vectorised Isa, class E>
void layer_norm_kernel(Isa, matrix<f32> y, matrix<const f32> x, const f32* weight, const f32* bias, f32 eps, E cols) {
  using V = isa::floats<Isa>;
  for (isize i = 0; i < x.rows; ++i) {
    const V mean = V::set(isa::sum_row<V>(x.row(i), cols, [](V v) { return v; }) / f32(cols));
    const f32 squares = isa::sum_row<V>(x.row(i), cols, [=](V v) { return (v - mean) * (v - mean); });
    const V scale = V::set(1 / std::sqrt(squares / f32(cols) + eps));
    if (bias)
      isa::map_row<V>(
          y.row(i), cols, [=](V v, V w, V b) { return fma((v - mean) * scale, w, b); }, x.row(i), weight, bias);
    else
      isa::map_row<V>(
          y.row(i), cols, [=](V v, V w) { return (v - mean) * scale * w; }, x.row(i), weight);
  }
}

// ---- on all threads

HFT_INLINE void rms_norm_kernel(cpu, matrix<f32> y, matrix<const f32> x, const f32* weight, f32 eps, isize cols) {
  detail::parallel_rows(x.rows, cols, 32768, [&](isize begin, isize end) {
    rms_norm_kernel(isa::native{}, detail::rows_between(y, begin, end), detail::rows_between(x, begin, end), weight,
                    eps, cols);
  });
}

HFT_INLINE void layer_norm_kernel(cpu, matrix<f32> y, matrix<const f32> x, const f32* weight, const f32* bias, f32 eps,
                                  isize cols) {
  detail::parallel_rows(x.rows, cols, 32768, [&](isize begin, isize end) {
    layer_norm_kernel(isa::native{}, detail::rows_between(y, begin, end), detail::rows_between(x, begin, end), weight,
                      bias, eps, cols);
  });
}

}  // namespace hft
#endif  // HFT_DEFINES
