// normalise_rows: rows divided by their sums. (N,C) => (N,C)
#pragma once
#include <hft/ops/cpu/normalise_rows.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// Each row divided by its sum, or by `least` where that is larger.
template <Scalar A, BaseDevice D>
Tensor<A, 2, D> normalise_rows(const Tensor<A, 2, D>& x, f64 least = 0) {
  const auto dense = x.collapsible();
  Tensor<A, 2, D> y(x.shape());
  normalise_rows_kernel(D{}, y.rows(), matrix<const A>(dense.rows()), A(least));
  return y;
}

}  // namespace hft
