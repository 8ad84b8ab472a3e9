// log_softmax and its gradient on the CPU.
#pragma once
#include <hft/linkage.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// y = x - max - log(sum(exp(x - max))), row by row.
template <class T>
void log_softmax_kernel(cpu, matrix<T> y, matrix<const T> x);

/// dx = dy - exp(y) * sum(dy), row by row.
template <class T>
void log_softmax_backward_kernel(cpu, matrix<T> dx, matrix<const T> dy, matrix<const T> y);

}  // namespace hft

#if HFT_DEFINES(KERNELS)
#include <cmath>

#include <hft/ops/cpu/lanes.hpp>
#include <hft/parallel.hpp>

namespace hft {

template <class T>
void log_softmax_kernel(cpu, matrix<T> y, matrix<const T> x) {
  using V = isa::lanes<T>;
  const isize n = x.cols, whole = n / V::width * V::width;
  if (n == 0) return;
  detail::parallel_rows(x.rows, n, 16384, [&](isize begin, isize end) {
    for (isize r = begin; r < end; ++r) {
      const T* in = x.row(r);
      T top = in[0];
      for (isize i = 1; i < n; ++i) top = in[i] > top ? in[i] : top;
      T sum = isa::sum_lanes<V>(whole,
                                [&](isize i, auto part) { return exp(part.template load<V>(in + i) - V::set(top)); });
      for (isize i = whole; i < n; ++i) sum += std::exp(in[i] - top);
      const V shift = V::set(top + std::log(sum));
      isa::for_lanes<V>(n,
                        [&](isize i, auto part) { part.store(part.template load<V>(in + i) - shift, y.row(r) + i); });
    }
  });
}

template <class T>
void log_softmax_backward_kernel(cpu, matrix<T> dx, matrix<const T> dy, matrix<const T> y) {
  using V = isa::lanes<T>;
  detail::parallel_rows(y.rows, y.cols, 16384, [&](isize begin, isize end) {
    for (isize r = begin; r < end; ++r) {
      const T* g = dy.row(r);
      const V sum = V::set(isa::sum_lanes<V>(y.cols, [&](isize i, auto part) { return part.template load<V>(g + i); }));
      isa::for_lanes<V>(y.cols, [&](isize i, auto part) {
        part.store(part.template load<V>(g + i) - exp(part.template load<V>(y.row(r) + i)) * sum, dx.row(r) + i);
      });
    }
  });
}

HFT_INSTANTIATE(void log_softmax_kernel(cpu, matrix<f32>, matrix<const f32>))
HFT_INSTANTIATE(void log_softmax_kernel(cpu, matrix<f64>, matrix<const f64>))
HFT_INSTANTIATE(void log_softmax_backward_kernel(cpu, matrix<f32>, matrix<const f32>, matrix<const f32>))
HFT_INSTANTIATE(void log_softmax_backward_kernel(cpu, matrix<f64>, matrix<const f64>, matrix<const f64>))

}  // namespace hft
#endif  // HFT_DEFINES
