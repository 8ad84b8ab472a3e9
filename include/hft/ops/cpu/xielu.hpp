// xIELU on the CPU, and its derivatives; y may be x.
#pragma once
#include <hft/linkage.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// y = p x^2 + beta x where x > 0, else n (e^min(x, eps) - 1 - x) + beta x, with p, n, beta and eps one number each.
template <class T>
void xielu_kernel(cpu, matrix<T> y, matrix<const T> x, const T* p, const T* n, const T* beta, const T* eps);

/// dx, and the sums over all elements dp and dn. All rows are dense.
template <class T>
void xielu_backward_kernel(cpu, matrix<T> dx, T* dp, T* dn, matrix<const T> dy, matrix<const T> x, const T* p,
                           const T* n, const T* beta, const T* eps);

}  // namespace hft

#if HFT_DEFINES(KERNELS)
#include <vector>

#include <hft/ops/cpu/isa.hpp>
#include <hft/ops/cpu/lanes.hpp>
#include <hft/ops/cpu/vector_math.hpp>
#include <hft/parallel.hpp>

HFT_INTRINSICS_BEGIN

namespace hft {

namespace detail {

/// e^min(x, eps) - 1 - x, by the series of e^m - 1 - m where that is small.
template <class V, class T>
V xielu_bend(V x, T eps) {
  const V m = min(x, V::set(eps)), one = V::set(1);
  V series = V::set(T(1.0 / 362880));
  for (const double inverse : {40320., 5040., 720., 120., 24., 6., 2.}) series = fma(series, m, V::set(T(1 / inverse)));
  return select(less(V::set(T(-0.5)), m), m * m * series, exp(m) - one - m) + (m - x);
}

}  // namespace detail

template <class T>
void xielu_kernel(cpu, matrix<T> y, matrix<const T> x, const T* p, const T* n, const T* beta, const T* eps) {
  using V = isa::lanes<T>;
  const V vp = V::set(*p), vn = V::set(*n), vb = V::set(*beta);
  detail::parallel_rows(x.rows, x.cols, 16384, [&](isize begin, isize end) {
    for (isize r = begin; r < end; ++r)
      isa::for_lanes<V>(x.cols, [&, to = y.row(r), from = x.row(r)](isize i, auto part) {
        const V v = part.template load<V>(from + i);
        const V bent = select(less(V::zero(), v), vp * v * v, vn * detail::xielu_bend(v, *eps));
        part.store(fma(vb, v, bent), to + i);
      });
  });
}

template <class T>
void xielu_backward_kernel(cpu, matrix<T> dx, T* dp, T* dn, matrix<const T> dy, matrix<const T> x, const T* p,
                           const T* n, const T* beta, const T* eps) {
  using V = isa::lanes<T>;
  const V vp = V::set(*p), vn = V::set(*n), vb = V::set(*beta), ve = V::set(*eps), zero = V::zero();
  std::vector<T> sums(std::size_t(2 * x.rows));  // of each row, so that the order of adding is always the same
  detail::parallel_rows(x.rows, x.cols, 16384, [&](isize begin, isize end) {
    for (isize r = begin; r < end; ++r) {
      V sum_p = zero, sum_n = zero;
      isa::for_lanes<V>(x.cols, [&, to = dx.row(r), dyr = dy.row(r), xr = x.row(r)](isize i, auto part) {
        const V v = part.template load<V>(xr + i), d = part.template load<V>(dyr + i);
        const auto above = less(zero, v);
        const V bend = select(less(v, ve), exp(min(v, ve)), zero) - V::set(1);
        part.store(d * (vb + select(above, vp * (v + v), vn * bend)), to + i);
        sum_p = sum_p + select(above, d * v * v, zero);
        sum_n = sum_n + select(above, zero, d * detail::xielu_bend(v, *eps));
      });
      sums[std::size_t(2 * r)] = sum(sum_p), sums[std::size_t(2 * r + 1)] = sum(sum_n);
    }
  });
  *dp = *dn = 0;
  for (std::size_t i = 0; i < sums.size(); i += 2) *dp += sums[i], *dn += sums[i + 1];
}

HFT_INSTANTIATE(void xielu_kernel(cpu, matrix<f32>, matrix<const f32>, const f32*, const f32*, const f32*, const f32*))
HFT_INSTANTIATE(void xielu_kernel(cpu, matrix<f64>, matrix<const f64>, const f64*, const f64*, const f64*, const f64*))
HFT_INSTANTIATE(void xielu_backward_kernel(cpu, matrix<f32>, f32*, f32*, matrix<const f32>, matrix<const f32>,
                                           const f32*, const f32*, const f32*, const f32*))
HFT_INSTANTIATE(void xielu_backward_kernel(cpu, matrix<f64>, f64*, f64*, matrix<const f64>, matrix<const f64>,
                                           const f64*, const f64*, const f64*, const f64*))

}  // namespace hft

HFT_INTRINSICS_END
#endif  // HFT_DEFINES
