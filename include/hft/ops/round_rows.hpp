// round_rows: each row as 8-bit integers of its own scale would have it, which is how BitNet's layers see activations.
#pragma once
#include <hft/ops/cpu/round_rows.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// round(x s) / s with s = 127 / max(largest magnitude of x's row, 1e-5), halves to even.
/// (Ma et al. 2024, arXiv 2402.17764; transformers.integrations.bitnet.ActQuant)
template <Scalar A, std::size_t R, BaseDevice D>
Tensor<A, R, D> round_rows(const Tensor<A, R, D>& x) {
  const auto dense = x.collapsible();
  Tensor<A, R, D> y(x.shape());
  round_rows_kernel(D{}, y.rows(), matrix<const A>(dense.rows()));
  return y;
}

}  // namespace hft
