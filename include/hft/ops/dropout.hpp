// dropout: zeroes a share of the elements and scales the others up. Which ones is a function of seed, stream and place,
// so that a mask is made again instead of stored, the same on every device.
#pragma once
#include <algorithm>

#include <hft/ops/dropout_mask.hpp>
#include <hft/parallel.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// Of elements counted through all rows; y may be x.
template <class T>
void dropout_kernel(cpu, matrix<T> y, matrix<const T> x, const Dropout& d) {
  const T scale = T(1 / (1 - d.p));
  const isize groups = (x.cols + 3) / 4;
  parallel_for(x.rows, std::max<isize>(1, 4096 / std::max<isize>(1, x.cols)), [&](isize begin, isize end) {
    for (isize r = begin; r < end; ++r)
      for (isize g = 0; g < groups; ++g) {
        const unsigned kept = d.kept(std::uint64_t(r * groups + g));
        for (isize i = 4 * g; i < std::min(4 * g + 4, x.cols); ++i)
          y.row(r)[i] = kept >> (i % 4) & 1 ? x.row(r)[i] * scale : T(0);
      }
  });
}

/// Srivastava et al. 2014. Throws value_error unless 0 <= d.p < 1. (torch.nn.functional.dropout)
template <Scalar A, std::size_t R, BaseDevice D>
Tensor<A, R, D> dropout(const Tensor<A, R, D>& x, const Dropout& d) {
  d.check();
  const auto dense = x.collapsible();
  Tensor<A, R, D> y(x.shape());
  dropout_kernel(D{}, y.rows(), matrix<const A>(dense.rows()), d);
  return y;
}

}  // namespace hft
