// clamp on the CPU, and its derivative: loops that compilers turn into vectors. y may be x.
#pragma once
#include <hft/linkage.hpp>
#include <hft/tensor.hpp>

namespace hft {

template <class T>
void clamp_kernel(cpu, matrix<T> y, matrix<const T> x, T low, T high);

/// dx = dy where low <= x <= high, else 0; or += if `add`.
template <class T>
void clamp_backward_kernel(cpu, matrix<T> dx, matrix<const T> dy, matrix<const T> x, T low, T high, bool add);

}  // namespace hft

#if HFT_DEFINES(KERNELS)
#include <hft/ops/cpu/vector_math.hpp>

namespace hft {

template <class T>
void clamp_kernel(cpu, matrix<T> y, matrix<const T> x, T low, T high) {
  detail::parallel_rows(y.rows, y.cols, 65536, [&](isize begin, isize end) {
    for (isize i = begin; i < end; ++i) {
      const T* from = x.row(i);
      T* to = y.row(i);
      for (isize j = 0; j < y.cols; ++j) {
        const T v = from[j] < low ? low : from[j];
        to[j] = v > high ? high : v;
      }
    }
  });
}

template <class T>
void clamp_backward_kernel(cpu, matrix<T> dx, matrix<const T> dy, matrix<const T> x, T low, T high, bool add) {
  detail::parallel_rows(x.rows, x.cols, 65536, [&](isize begin, isize end) {
    for (isize i = begin; i < end; ++i)
      for (isize j = 0; j < x.cols; ++j) {
        const T v = x.row(i)[j], d = v >= low && v <= high ? dy.row(i)[j] : T(0);
        dx.row(i)[j] = add ? dx.row(i)[j] + d : d;
      }
  });
}

HFT_INSTANTIATE(void clamp_kernel(cpu, matrix<f32>, matrix<const f32>, f32, f32))
HFT_INSTANTIATE(void clamp_kernel(cpu, matrix<f64>, matrix<const f64>, f64, f64))
HFT_INSTANTIATE(void clamp_backward_kernel(cpu, matrix<f32>, matrix<const f32>, matrix<const f32>, f32, f32, bool))
HFT_INSTANTIATE(void clamp_backward_kernel(cpu, matrix<f64>, matrix<const f64>, matrix<const f64>, f64, f64, bool))

}  // namespace hft
#endif  // HFT_DEFINES
