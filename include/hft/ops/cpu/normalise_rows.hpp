// Rows divided by their sums on the CPU, and the derivative: rows are short, those of a router's scores.
#pragma once
#include <hft/linkage.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// y = x / max(sum of x's row, least)
template <class T>
void normalise_rows_kernel(cpu, matrix<T> y, matrix<const T> x, T least);

/// dx = (dy - sum of dy y) / sum, or dy / least where that was larger; or += if `add`.
template <class T>
void normalise_rows_backward_kernel(cpu, matrix<T> dx, matrix<const T> dy, matrix<const T> x, T least, bool add);

}  // namespace hft

#if HFT_DEFINES(KERNELS)
namespace hft {

template <class T>
void normalise_rows_kernel(cpu, matrix<T> y, matrix<const T> x, T least) {
  for (isize i = 0; i < x.rows; ++i) {
    T sum = 0;
    for (isize j = 0; j < x.cols; ++j) sum += x.row(i)[j];
    const T by = sum < least ? least : sum;
    for (isize j = 0; j < x.cols; ++j) y.row(i)[j] = x.row(i)[j] / by;
  }
}

template <class T>
void normalise_rows_backward_kernel(cpu, matrix<T> dx, matrix<const T> dy, matrix<const T> x, T least, bool add) {
  for (isize i = 0; i < x.rows; ++i) {
    T sum = 0, moved = 0;
    for (isize j = 0; j < x.cols; ++j) sum += x.row(i)[j], moved += x.row(i)[j] * dy.row(i)[j];
    const bool constant = sum < least;
    const T by = constant ? least : sum;
    for (isize j = 0; j < x.cols; ++j) {
      const T d = (dy.row(i)[j] - (constant ? T(0) : moved / by)) / by;
      dx.row(i)[j] = add ? dx.row(i)[j] + d : d;
    }
  }
}

HFT_INSTANTIATE(void normalise_rows_kernel(cpu, matrix<f32>, matrix<const f32>, f32))
HFT_INSTANTIATE(void normalise_rows_kernel(cpu, matrix<f64>, matrix<const f64>, f64))
HFT_INSTANTIATE(void normalise_rows_backward_kernel(cpu, matrix<f32>, matrix<const f32>, matrix<const f32>, f32, bool))
HFT_INSTANTIATE(void normalise_rows_backward_kernel(cpu, matrix<f64>, matrix<const f64>, matrix<const f64>, f64, bool))

}  // namespace hft
#endif  // HFT_DEFINES
