// Biases of attention looked up in a table, and the table's gradient. Heads are split over the threads, and each sums
// in the order of its positions.
#pragma once
#include <hft/linkage.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// y(h, i) = table(buckets[i], h); the buckets were checked.
template <class T>
void gather_bias_kernel(cpu, matrix<T> y, const i64* buckets, matrix<const T> table);

/// dtable(r, h) = the sum of dy(h, i) over the i of bucket r, or += if `add`. A bucket may have most of all positions:
/// sums are f64.
template <class T>
void gather_bias_backward_kernel(cpu, matrix<T> dtable, const i64* buckets, matrix<const T> dy, bool add);

}  // namespace hft

#if HFT_DEFINES(KERNELS)
#include <algorithm>
#include <vector>

#include <hft/parallel.hpp>

namespace hft {

template <class T>
void gather_bias_kernel(cpu, matrix<T> y, const i64* buckets, matrix<const T> table) {
  parallel_for(y.rows, std::max<isize>(1, 16384 / std::max<isize>(1, y.cols)), [&](isize begin, isize end) {
    for (isize h = begin; h < end; ++h)
      for (isize i = 0; i < y.cols; ++i) y.row(h)[i] = table.row(isize(buckets[i]))[h];
  });
}

template <class T>
void gather_bias_backward_kernel(cpu, matrix<T> dtable, const i64* buckets, matrix<const T> dy, bool add) {
  parallel_for(dy.rows, std::max<isize>(1, 16384 / std::max<isize>(1, dy.cols)), [&](isize begin, isize end) {
    std::vector<f64> sums(static_cast<std::size_t>(dtable.rows));
    for (isize h = begin; h < end; ++h) {
      std::fill(sums.begin(), sums.end(), 0);
      for (isize i = 0; i < dy.cols; ++i) sums[std::size_t(buckets[i])] += f64(dy.row(h)[i]);
      for (isize r = 0; r < dtable.rows; ++r)
        dtable.row(r)[h] = T((add ? f64(dtable.row(r)[h]) : 0) + sums[std::size_t(r)]);
    }
  });
}

HFT_INSTANTIATE(void gather_bias_kernel(cpu, matrix<f32>, const i64*, matrix<const f32>))
HFT_INSTANTIATE(void gather_bias_kernel(cpu, matrix<f64>, const i64*, matrix<const f64>))
HFT_INSTANTIATE(void gather_bias_backward_kernel(cpu, matrix<f32>, const i64*, matrix<const f32>, bool))
HFT_INSTANTIATE(void gather_bias_backward_kernel(cpu, matrix<f64>, const i64*, matrix<const f64>, bool))

}  // namespace hft
#endif  // HFT_DEFINES
