// Gradients of linear on the CPU, by Eigen: dx = dy w, dw = dy^T x, db = column sums of dy.
// Rows of dx and of dw are split over the threads; no sum is split, so the number of threads changes last bits at most.
#pragma once
#include <hft/linkage.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// dx (M,K) = dy (M,N) w (N,K), or += if `add`.
template <class T>
void linear_input_gradient_kernel(cpu, matrix<T> dx, matrix<const T> dy, weight_matrix<T> w, bool add);

/// The same through weights of another dtype: panels of them are widened to f32. Columns of dx are split, so that each
/// weight is widened once.
template <class W>
requires(!std::is_floating_point_v<W>) void linear_input_gradient_kernel(cpu, matrix<f32> dx, matrix<const f32> dy,
                                                                         weight_matrix<W> w, bool add);

/// dw (N,K) = dy (M,N)^T x (M,K), or += if `add`.
template <class T>
void linear_weight_gradient_kernel(cpu, matrix<T> dw, matrix<const T> dy, matrix<const T> x, bool add);

/// y (N) = the sums of the columns of x (M,N), or += if `add`.
template <class T>
void column_sums_kernel(cpu, T* y, matrix<const T> x, bool add);

}  // namespace hft

#if HFT_DEFINES(KERNELS)
#include <algorithm>

#include <hft/ops/cpu/gemm.hpp>
#include <hft/ops/cpu/lanes.hpp>
#include <hft/parallel.hpp>
#include <hft/quantization/elements.hpp>

namespace hft {

namespace detail {
// Rows that a thread must have for its part of a product of `work` multiplications a row to pay.
inline isize product_grain(isize work) { return std::max<isize>(8, (isize(1) << 18) / std::max<isize>(1, work)); }
}  // namespace detail

template <class T>
void linear_input_gradient_kernel(cpu, matrix<T> dx, matrix<const T> dy, weight_matrix<T> w, bool add) {
  parallel_for(dx.rows, detail::product_grain(w.rows * w.cols), [&](isize begin, isize end) {
    detail::gemm_nn<T>(detail::rows_between(dx, begin, end), detail::rows_between(dy, begin, end),
                       matrix<const T>{w.data, w.rows, w.cols, w.stride}, add);
  });
}

template <class W>
requires(!std::is_floating_point_v<W>) void linear_input_gradient_kernel(cpu, matrix<f32> dx, matrix<const f32> dy,
                                                                         weight_matrix<W> w, bool add) {
  if constexpr (dtype<W>::any) {
    with_weight_dtype(
        w.format,
        [&]<class F>(std::type_identity<F>) { linear_input_gradient_kernel(cpu{}, dx, dy, w.template as<F>(), add); },
        [&] {
          throw unsupported_error("linear", "dtype of the weight", "f32, f16, bf16 or a block format",
                                  std::string(name(w.format)));
        });
  } else {
    constexpr isize panel = 128, block = dtype<W>::block, grain = std::max<isize>(block, 64);
    parallel_for(w.cols, grain, [&](isize begin, isize end) {
      const isize cols = end - begin;
      const buffer memory = cpu::allocate(std::size_t(panel * cols) * sizeof(f32));
      auto* wide = static_cast<f32*>(memory.data());
      const matrix<f32> part{dx.data + begin, dx.rows, cols, dx.stride};
      for (isize n = 0; n < w.rows; n += panel) {
        const isize rows = std::min(panel, w.rows - n);
        for (isize r = 0; r < rows; ++r) detail::to_f32<W>(w.row(n + r) + begin / block, wide + r * cols, cols);
        detail::gemm_nn<f32>(part, matrix<const f32>{dy.data + n, dy.rows, rows, dy.stride},
                             matrix<const f32>{wide, rows, cols, cols}, add || n > 0);
      }
    });
  }
}

template <class T>
void linear_weight_gradient_kernel(cpu, matrix<T> dw, matrix<const T> dy, matrix<const T> x, bool add) {
  parallel_for(dw.rows, detail::product_grain(x.rows * x.cols), [&](isize begin, isize end) {
    detail::gemm_tn<T>(detail::rows_between(dw, begin, end),
                       matrix<const T>{dy.data + begin, dy.rows, end - begin, dy.stride}, x, add);
  });
}

template <class T>
void column_sums_kernel(cpu, T* y, matrix<const T> x, bool add) {
  using V = isa::lanes<T>;
  parallel_for(x.cols, 256, [&](isize begin, isize end) {
    if (!add) std::fill(y + begin, y + end, T(0));
    for (isize r = 0; r < x.rows; ++r) {
      const T* row = x.row(r) + begin;
      isa::for_lanes<V>(end - begin, [&](isize i, auto part) {
        part.store(part.template load<V>(y + begin + i) + part.template load<V>(row + i), y + begin + i);
      });
    }
  });
}

#define HFT_OF_WEIGHT(W) \
  HFT_INSTANTIATE(void linear_input_gradient_kernel(cpu, matrix<f32>, matrix<const f32>, weight_matrix<W>, bool))
HFT_EACH_WEIGHT_DTYPE(HFT_OF_WEIGHT)
HFT_OF_WEIGHT(any_q)
#undef HFT_OF_WEIGHT
HFT_INSTANTIATE(void linear_input_gradient_kernel(cpu, matrix<f64>, matrix<const f64>, weight_matrix<f64>, bool))
HFT_INSTANTIATE(void linear_weight_gradient_kernel(cpu, matrix<f32>, matrix<const f32>, matrix<const f32>, bool))
HFT_INSTANTIATE(void linear_weight_gradient_kernel(cpu, matrix<f64>, matrix<const f64>, matrix<const f64>, bool))
HFT_INSTANTIATE(void column_sums_kernel(cpu, f32*, matrix<const f32>, bool))
HFT_INSTANTIATE(void column_sums_kernel(cpu, f64*, matrix<const f64>, bool))

}  // namespace hft
#endif  // HFT_DEFINES
