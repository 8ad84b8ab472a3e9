// Softmax on the CPU: maximum, exponentials and their sum, division; rows over threads.
#pragma once
#include <hft/linkage.hpp>
#include <hft/tensor.hpp>

namespace hft {

void softmax_kernel(cpu, matrix<f32> y, matrix<const f32> x);

}  // namespace hft

#if HFT_DEFINES(KERNELS)
#include <algorithm>
#include <cmath>

#include <hft/ops/cpu/isa.hpp>
#include <hft/ops/cpu/vector_math.hpp>
#include <hft/parallel.hpp>

namespace hft {

// ---- the oracle

/// y = exp(x - max(x)) / sum(exp(x - max(x))), row by row; y may be x. A row whose elements all are -inf gives NaN, as
/// in PyTorch.
inline void softmax_kernel(isa::generic, matrix<f32> y, matrix<const f32> x) {
  for (isize i = 0; i < x.rows; ++i) {
    f32 top = -INFINITY;
    for (isize j = 0; j < x.cols; ++j) top = std::max(top, x.row(i)[j]);
    f64 sum = 0;
    for (isize j = 0; j < x.cols; ++j) sum += y.row(i)[j] = std::exp(x.row(i)[j] - top);
    const f32 scale = f32(1 / sum);
    for (isize j = 0; j < x.cols; ++j) y.row(i)[j] *= scale;
  }
}

// ---- by vectors

template <isa::vectorised Isa>
void softmax_kernel(Isa, matrix<f32> y, matrix<const f32> x) {
  using V = isa::floats<Isa>;
  for (isize i = 0; i < x.rows; ++i) {
    const f32* in = x.row(i);
    f32* out = y.row(i);
    const V top = V::set(isa::max_row<V>(in, x.cols));
    isa::map_row<V>(
        out, x.cols, [=](V v) { return exp(v - top); }, in);
    const V scale = V::set(1 / isa::sum_row<V>(out, x.cols, [](V v) { return v; }));
    isa::map_row<V>(
        out, x.cols, [=](V v) { return v * scale; }, out);
  }
}

// ---- on all threads

HFT_INLINE void softmax_kernel(cpu, matrix<f32> y, matrix<const f32> x) {
  detail::parallel_rows(x.rows, x.cols, 16384, [&](isize begin, isize end) {
    softmax_kernel(isa::native{}, detail::rows_between(y, begin, end), detail::rows_between(x, begin, end));
  });
}

}  // namespace hft
#endif  // HFT_DEFINES
