// Gradients of RMSNorm and LayerNorm on the CPU. Rows are split over the threads for dx, columns for the weights, which
// are summed over rows in their order: the number of threads changes nothing.
#pragma once
#include <hft/linkage.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// What a norm's row is turned into: (x - mean) * scale.
template <class T>
struct row_statistics {
  T mean, scale;
};

/// dx = scale * (dy * w - [mean(dy * w)] - n * mean(dy * w * n)) with n = (x - mean) * scale, row by row; the term in
/// brackets where `centred`, as LayerNorm is. Writes the rows' statistics for norm_weight_gradient_kernel; dx may be
/// null.
template <class T>
void norm_input_gradient_kernel(cpu, matrix<T> dx, row_statistics<T>* statistics, matrix<const T> dy, matrix<const T> x,
                                const T* w, T eps, bool centred, bool add);

/// dw = the sum over rows of dy * (x - mean) * scale, or += if `add`.
template <class T>
void norm_weight_gradient_kernel(cpu, T* dw, matrix<const T> dy, matrix<const T> x, const row_statistics<T>* statistics,
                                 bool add);

}  // namespace hft

#if HFT_DEFINES(KERNELS)
#include <cmath>

#include <hft/ops/cpu/lanes.hpp>
#include <hft/parallel.hpp>

namespace hft {

namespace detail {
template <class T>
row_statistics<T> statistics_of(const T* x, isize cols, T eps, bool centred) {
  using V = isa::lanes<T>;
  T mean = 0;
  if (centred)
    mean = isa::sum_lanes<V>(cols, [&](isize i, auto part) { return part.template load<V>(x + i); }) / T(cols);
  const isize whole = cols / V::width * V::width;  // a part of a vector would count mean^2 for its empty lanes
  T squares = isa::sum_lanes<V>(whole, [&](isize i, auto part) {
    const V v = part.template load<V>(x + i) - V::set(mean);
    return v * v;
  });
  for (isize i = whole; i < cols; ++i) squares += (x[i] - mean) * (x[i] - mean);
  return {mean, 1 / std::sqrt(squares / T(cols) + eps)};
}
}  // namespace detail

template <class T>
void norm_input_gradient_kernel(cpu, matrix<T> dx, row_statistics<T>* statistics, matrix<const T> dy, matrix<const T> x,
                                const T* w, T eps, bool centred, bool add) {
  using V = isa::lanes<T>;
  const isize C = x.cols;
  detail::parallel_rows(x.rows, C, 16384, [&](isize begin, isize end) {
    for (isize r = begin; r < end; ++r) {
      const T *xr = x.row(r), *g = dy.row(r);
      const auto s = statistics[r] = detail::statistics_of(xr, C, eps, centred);
      if (!dx.data) continue;
      const auto weighted = [&](isize i, auto part) {
        return part.template load<V>(g + i) * part.template load<V>(w + i);
      };
      const auto normal = [&](isize i, auto part) {
        return (part.template load<V>(xr + i) - V::set(s.mean)) * V::set(s.scale);
      };
      const T first = centred ? isa::sum_lanes<V>(C, weighted) / T(C) : T(0);
      const T second =
          isa::sum_lanes<V>(C, [&](isize i, auto part) { return weighted(i, part) * normal(i, part); }) / T(C);
      T* out = dx.row(r);
      isa::for_lanes<V>(C, [&](isize i, auto part) {
        V d = (weighted(i, part) - V::set(first) - normal(i, part) * V::set(second)) * V::set(s.scale);
        if (add) d = d + part.template load<V>(out + i);
        part.store(d, out + i);
      });
    }
  });
}

template <class T>
void norm_weight_gradient_kernel(cpu, T* dw, matrix<const T> dy, matrix<const T> x, const row_statistics<T>* statistics,
                                 bool add) {
  using V = isa::lanes<T>;
  parallel_for(x.cols, 64, [&](isize begin, isize end) {
    if (!add) std::fill(dw + begin, dw + end, T(0));
    for (isize r = 0; r < x.rows; ++r) {
      const T *xr = x.row(r) + begin, *g = dy.row(r) + begin;
      const V mean = V::set(statistics[r].mean), scale = V::set(statistics[r].scale);
      isa::for_lanes<V>(end - begin, [&](isize i, auto part) {
        const V n = (part.template load<V>(xr + i) - mean) * scale;
        part.store(fma(part.template load<V>(g + i), n, part.template load<V>(dw + begin + i)), dw + begin + i);
      });
    }
  });
}

HFT_INSTANTIATE(void norm_input_gradient_kernel(cpu, matrix<f32>, row_statistics<f32>*, matrix<const f32>,
                                                matrix<const f32>, const f32*, f32, bool, bool))
HFT_INSTANTIATE(void norm_input_gradient_kernel(cpu, matrix<f64>, row_statistics<f64>*, matrix<const f64>,
                                                matrix<const f64>, const f64*, f64, bool, bool))
HFT_INSTANTIATE(void norm_weight_gradient_kernel(cpu, f32*, matrix<const f32>, matrix<const f32>,
                                                 const row_statistics<f32>*, bool))
HFT_INSTANTIATE(void norm_weight_gradient_kernel(cpu, f64*, matrix<const f64>, matrix<const f64>,
                                                 const row_statistics<f64>*, bool))

}  // namespace hft
#endif  // HFT_DEFINES
