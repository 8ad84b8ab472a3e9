// round_rows on the CPU: a loop that compilers turn into vectors.
#pragma once
#include <hft/linkage.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// y may be x.
template <class T>
void round_rows_kernel(cpu, matrix<T> y, matrix<const T> x);

}  // namespace hft

#if HFT_DEFINES(KERNELS)
#include <cmath>

#include <hft/ops/cpu/vector_math.hpp>

namespace hft {

template <class T>
void round_rows_kernel(cpu, matrix<T> y, matrix<const T> x) {
  detail::parallel_rows(y.rows, y.cols, 16384, [&](isize begin, isize end) {
    for (isize i = begin; i < end; ++i) {
      const T* from = x.row(i);
      T* to = y.row(i);
      T largest = T(1e-5);
      for (isize j = 0; j < x.cols; ++j) {
        const T size = std::abs(from[j]);
        largest = size > largest ? size : largest;
      }
      const T scale = T(127) / largest;
      for (isize j = 0; j < x.cols; ++j) to[j] = std::nearbyint(from[j] * scale) / scale;
    }
  });
}

HFT_INSTANTIATE(void round_rows_kernel(cpu, matrix<f32>, matrix<const f32>))
HFT_INSTANTIATE(void round_rows_kernel(cpu, matrix<f64>, matrix<const f64>))

}  // namespace hft
#endif  // HFT_DEFINES
