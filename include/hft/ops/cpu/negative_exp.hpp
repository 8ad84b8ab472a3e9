// -e^x on the CPU, and its derivative.
#pragma once
#include <hft/linkage.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// y = -e^x
template <class T>
void negative_exp_kernel(cpu, matrix<T> y, matrix<const T> x);

/// dx = dy * y, or += if `add`.
template <class T>
void negative_exp_backward_kernel(cpu, matrix<T> dx, matrix<const T> dy, matrix<const T> y, bool add);

}  // namespace hft

#if HFT_DEFINES(KERNELS)
#include <hft/ops/cpu/isa.hpp>
#include <hft/ops/cpu/lanes.hpp>
#include <hft/ops/cpu/vector_math.hpp>
#include <hft/parallel.hpp>

HFT_INTRINSICS_BEGIN

namespace hft {

template <class T>
void negative_exp_kernel(cpu, matrix<T> y, matrix<const T> x) {
  using V = isa::lanes<T>;
  detail::parallel_rows(y.rows, y.cols, 16384, [&](isize begin, isize end) {
    for (isize r = begin; r < end; ++r)
      isa::for_lanes<V>(y.cols, [&, to = y.row(r), from = x.row(r)](isize i, auto part) {
        part.store(V::zero() - exp(part.template load<V>(from + i)), to + i);
      });
  });
}

template <class T>
void negative_exp_backward_kernel(cpu, matrix<T> dx, matrix<const T> dy, matrix<const T> y, bool add) {
  using V = isa::lanes<T>;
  detail::parallel_rows(dx.rows, dx.cols, 16384, [&](isize begin, isize end) {
    for (isize r = begin; r < end; ++r)
      isa::for_lanes<V>(dx.cols, [&, to = dx.row(r), dyr = dy.row(r), yr = y.row(r)](isize i, auto part) {
        const V before = add ? part.template load<V>(to + i) : V::zero();
        part.store(fma(part.template load<V>(dyr + i), part.template load<V>(yr + i), before), to + i);
      });
  });
}

HFT_INSTANTIATE(void negative_exp_kernel(cpu, matrix<f32>, matrix<const f32>))
HFT_INSTANTIATE(void negative_exp_kernel(cpu, matrix<f64>, matrix<const f64>))
HFT_INSTANTIATE(void negative_exp_backward_kernel(cpu, matrix<f32>, matrix<const f32>, matrix<const f32>, bool))
HFT_INSTANTIATE(void negative_exp_backward_kernel(cpu, matrix<f64>, matrix<const f64>, matrix<const f64>, bool))

}  // namespace hft

HFT_INTRINSICS_END
#endif  // HFT_DEFINES
