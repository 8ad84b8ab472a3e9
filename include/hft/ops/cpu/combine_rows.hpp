// Sums of weighted rows on the CPU, and their gradients; sums over threads' own rows, in the order of places.
#pragma once
#include <hft/linkage.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// y[n] = the sum over j < k of weights[n k + j] times rows[n k + j], where that is not null.
template <class T>
void combine_rows_kernel(cpu, matrix<T> y, const T* const* rows, const T* weights, isize k);

/// Of place p = n k + j: drows[p] = weights[p] dy[n], dweights[p] = dy[n] . rows[p]; without a row dweights[p] = 0.
template <class T>
void combine_rows_backward_kernel(cpu, T* const* drows, T* dweights, matrix<const T> dy, const T* const* rows,
                                  const T* weights, isize k);

}  // namespace hft

#if HFT_DEFINES(KERNELS)
#include <algorithm>

#include <hft/ops/cpu/lanes.hpp>
#include <hft/ops/cpu/vector_math.hpp>
#include <hft/parallel.hpp>

namespace hft {

template <class T>
void combine_rows_kernel(cpu, matrix<T> y, const T* const* rows, const T* weights, isize k) {
  using V = isa::lanes<T>;
  detail::parallel_rows(y.rows, y.cols * k, 16384, [&](isize begin, isize end) {
    for (isize n = begin; n < end; ++n) {
      T* to = y.row(n);
      std::fill_n(to, y.cols, T(0));
      for (isize p = n * k; p < (n + 1) * k; ++p) {
        if (!rows[p]) continue;
        const V w = V::set(weights[p]);
        isa::for_lanes<V>(y.cols, [&](isize i, auto part) {
          part.store(fma(part.template load<V>(rows[p] + i), w, part.template load<V>(to + i)), to + i);
        });
      }
    }
  });
}

template <class T>
void combine_rows_backward_kernel(cpu, T* const* drows, T* dweights, matrix<const T> dy, const T* const* rows,
                                  const T* weights, isize k) {
  using V = isa::lanes<T>;
  detail::parallel_rows(dy.rows, dy.cols * k, 16384, [&](isize begin, isize end) {
    for (isize n = begin; n < end; ++n) {
      const T* g = dy.row(n);
      for (isize p = n * k; p < (n + 1) * k; ++p) {
        dweights[p] = 0;
        if (!rows[p]) continue;
        dweights[p] = isa::sum_lanes<V>(dy.cols, [&](isize i, auto part) {
          return part.template load<V>(g + i) * part.template load<V>(rows[p] + i);
        });
        const V w = V::set(weights[p]);
        isa::for_lanes<V>(dy.cols,
                          [&](isize i, auto part) { part.store(part.template load<V>(g + i) * w, drows[p] + i); });
      }
    }
  });
}

HFT_INSTANTIATE(void combine_rows_kernel(cpu, matrix<f32>, const f32* const*, const f32*, isize))
HFT_INSTANTIATE(void combine_rows_kernel(cpu, matrix<f64>, const f64* const*, const f64*, isize))
HFT_INSTANTIATE(void combine_rows_backward_kernel(cpu, f32* const*, f32*, matrix<const f32>, const f32* const*,
                                                  const f32*, isize))
HFT_INSTANTIATE(void combine_rows_backward_kernel(cpu, f64* const*, f64*, matrix<const f64>, const f64* const*,
                                                  const f64*, isize))

}  // namespace hft
#endif  // HFT_DEFINES
