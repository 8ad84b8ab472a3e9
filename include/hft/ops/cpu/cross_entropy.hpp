// Cross-entropy on the CPU: a row's loss and, in place, the gradient of its logits.
#pragma once
#include <hft/linkage.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// losses[i] = (1 - s) (log_sum_i - x_i[labels[i]]) + s (log_sum_i - mean(x_i)) for a smoothing s. Where `gradient` is
/// not 0, row i becomes its gradient times that: gradient * (softmax(x_i) - (1 - s) onehot - s / V).
template <class T>
void cross_entropy_kernel(cpu, f64* losses, matrix<T> logits, const i64* labels, f64 smoothing, f64 gradient);

}  // namespace hft

#if HFT_DEFINES(KERNELS)
#include <algorithm>
#include <cmath>

#include <hft/ops/cpu/lanes.hpp>
#include <hft/parallel.hpp>

namespace hft {

template <class T>
void cross_entropy_kernel(cpu, f64* losses, matrix<T> logits, const i64* labels, f64 smoothing, f64 gradient) {
  using V = isa::lanes<T>;
  const isize n = logits.cols;
  detail::parallel_rows(logits.rows, n, 16384, [&](isize begin, isize end) {
    for (isize r = begin; r < end; ++r) {
      T* x = logits.row(r);
      T top = x[0];
      for (isize i = 1; i < n; ++i) top = x[i] > top ? x[i] : top;
      const isize whole = n / V::width * V::width;
      T sum =
          isa::sum_lanes<V>(whole, [&](isize i, auto part) { return exp(part.template load<V>(x + i) - V::set(top)); });
      for (isize i = whole; i < n; ++i) sum += std::exp(x[i] - top);
      const f64 log_sum = f64(top) + std::log(f64(sum));
      losses[r] = (1 - smoothing) * (log_sum - f64(x[labels[r]]));
      if (smoothing != 0)
        losses[r] +=
            smoothing *
            (log_sum -
             f64(isa::sum_lanes<V>(n, [&](isize i, auto part) { return part.template load<V>(x + i); })) / f64(n));
      if (gradient == 0) continue;
      const V shift = V::set(top), factor = V::set(T(gradient / f64(sum))),
              spread = V::set(T(gradient * smoothing / f64(n)));
      isa::for_lanes<V>(n, [&](isize i, auto part) {
        part.store(exp(part.template load<V>(x + i) - shift) * factor - spread, x + i);
      });
      x[labels[r]] -= T(gradient * (1 - smoothing));
    }
  });
}

HFT_INSTANTIATE(void cross_entropy_kernel(cpu, f64*, matrix<f32>, const i64*, f64, f64))
HFT_INSTANTIATE(void cross_entropy_kernel(cpu, f64*, matrix<f64>, const i64*, f64, f64))

}  // namespace hft
#endif  // HFT_DEFINES
