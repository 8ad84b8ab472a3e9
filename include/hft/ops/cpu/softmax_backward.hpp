// Gradient of softmax on the CPU, from its result.
#pragma once
#include <hft/linkage.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// dx = y * (dy - sum(dy * y)), row by row.
template <class T>
void softmax_backward_kernel(cpu, matrix<T> dx, matrix<const T> dy, matrix<const T> y);

}  // namespace hft

#if HFT_DEFINES(KERNELS)
#include <hft/ops/cpu/lanes.hpp>
#include <hft/parallel.hpp>

namespace hft {

template <class T>
void softmax_backward_kernel(cpu, matrix<T> dx, matrix<const T> dy, matrix<const T> y) {
  using V = isa::lanes<T>;
  detail::parallel_rows(y.rows, y.cols, 16384, [&](isize begin, isize end) {
    for (isize r = begin; r < end; ++r) {
      const T *g = dy.row(r), *p = y.row(r);
      const auto product = [&](isize i, auto part) {
        return part.template load<V>(g + i) * part.template load<V>(p + i);
      };
      const V sum = V::set(isa::sum_lanes<V>(y.cols, product));
      isa::for_lanes<V>(y.cols, [&](isize i, auto part) {
        part.store(part.template load<V>(p + i) * (part.template load<V>(g + i) - sum), dx.row(r) + i);
      });
    }
  });
}

HFT_INSTANTIATE(void softmax_backward_kernel(cpu, matrix<f32>, matrix<const f32>, matrix<const f32>))
HFT_INSTANTIATE(void softmax_backward_kernel(cpu, matrix<f64>, matrix<const f64>, matrix<const f64>))

}  // namespace hft
#endif  // HFT_DEFINES
