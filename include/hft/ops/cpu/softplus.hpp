// softplus on the CPU, and its derivative; y may be x.
#pragma once
#include <hft/linkage.hpp>
#include <hft/tensor.hpp>

namespace hft {

template <class T>
void softplus_kernel(cpu, matrix<T> y, matrix<const T> x);

/// dx = dy * sigmoid(x), or += if `add`.
template <class T>
void softplus_backward_kernel(cpu, matrix<T> dx, matrix<const T> dy, matrix<const T> x, bool add);

}  // namespace hft

#if HFT_DEFINES(KERNELS)
#include <cmath>

#include <hft/ops/cpu/isa.hpp>
#include <hft/ops/cpu/lanes.hpp>
#include <hft/ops/cpu/vector_math.hpp>
#include <hft/parallel.hpp>

HFT_INTRINSICS_BEGIN

namespace hft {

// ---- the oracle

/// log(1 + e^x), and x itself above torch's threshold of 20.
template <class T>
void softplus_kernel(isa::generic, matrix<T> y, matrix<const T> x) {
  for (isize i = 0; i < y.rows; ++i)
    for (isize j = 0; j < y.cols; ++j) {
      const T v = x.row(i)[j];
      y.row(i)[j] = v > 20 ? v : std::log1p(std::exp(v));
    }
}

// ---- by vectors

/// max(x, 0) + log(1 + z), z = e^-|x| in (0, 1]; log(1 + z) = 2 artanh(s), s = z / (2 + z) at most 1/3, by its series,
/// whose first term left out is s^17 / 17.
template <isa::vectorised Isa>
void softplus_kernel(Isa, matrix<f32> y, matrix<const f32> x) {
  using V = isa::floats<Isa>;
  const auto f = [](V v) {
    const V z = exp(V::zero() - abs(v)), s = z / (V::set(2) + z);
    const V series = isa::polynomial(s * s, 2.0f / 15, 2.0f / 13, 2.0f / 11, 2.0f / 9, 2.0f / 7, 2.0f / 5, 2.0f / 3, 2);
    return fma(s, series, max(V::zero(), v));
  };
  for (isize i = 0; i < y.rows; ++i) isa::map_row<V>(y.row(i), y.cols, f, x.row(i));
}

// ---- on all threads

template <class T>
void softplus_kernel(cpu, matrix<T> y, matrix<const T> x) {
  detail::parallel_rows(y.rows, y.cols, 16384, [&](isize begin, isize end) {
    const auto to = detail::rows_between(y, begin, end);
    const auto from = detail::rows_between(x, begin, end);
    if constexpr (std::is_same_v<T, f32>)
      softplus_kernel(isa::native{}, to, from);
    else
      softplus_kernel(isa::generic{}, to, from);
  });
}

template <class T>
void softplus_backward_kernel(cpu, matrix<T> dx, matrix<const T> dy, matrix<const T> x, bool add) {
  using V = isa::lanes<T>;
  detail::parallel_rows(x.rows, x.cols, 16384, [&](isize begin, isize end) {
    for (isize r = begin; r < end; ++r)
      isa::for_lanes<V>(x.cols, [&, to = dx.row(r), dyr = dy.row(r), xr = x.row(r)](isize i, auto part) {
        V d = part.template load<V>(dyr + i) * sigmoid(part.template load<V>(xr + i));
        if (add) d = d + part.template load<V>(to + i);
        part.store(d, to + i);
      });
  });
}

HFT_INSTANTIATE(void softplus_kernel(cpu, matrix<f32>, matrix<const f32>))
HFT_INSTANTIATE(void softplus_kernel(cpu, matrix<f64>, matrix<const f64>))
HFT_INSTANTIATE(void softplus_backward_kernel(cpu, matrix<f32>, matrix<const f32>, matrix<const f32>, bool))
HFT_INSTANTIATE(void softplus_backward_kernel(cpu, matrix<f64>, matrix<const f64>, matrix<const f64>, bool))

}  // namespace hft

HFT_INTRINSICS_END
#endif  // HFT_DEFINES
