// Tokens set to zero on the CPU; y may be x.
#pragma once
#include <hft/linkage.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// Row i of y is that of x where keep[i] is not 0, else zeros.
template <class T>
void mask_tokens_kernel(cpu, matrix<T> y, matrix<const T> x, const u8* keep);

}  // namespace hft

#if HFT_DEFINES(KERNELS)
#include <algorithm>

#include <hft/ops/cpu/vector_math.hpp>

namespace hft {

template <class T>
void mask_tokens_kernel(cpu, matrix<T> y, matrix<const T> x, const u8* keep) {
  detail::parallel_rows(y.rows, y.cols, 65536, [&](isize begin, isize end) {
    for (isize i = begin; i < end; ++i)
      if (!keep[i])
        std::fill_n(y.row(i), y.cols, T(0));
      else if (y.row(i) != x.row(i))
        std::copy_n(x.row(i), y.cols, y.row(i));
  });
}

HFT_INSTANTIATE(void mask_tokens_kernel(cpu, matrix<f32>, matrix<const f32>, const u8*))
HFT_INSTANTIATE(void mask_tokens_kernel(cpu, matrix<f64>, matrix<const f64>, const u8*))

}  // namespace hft
#endif  // HFT_DEFINES
