// embedding: rows of a table. (B,T) ids, (V,C) => (B,T,C)
#pragma once
#include <hft/ops/cpu/embedding.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// The table's rows at `ids`: (B,T), (V,C) => (B,T,C), in the activation dtype A.
/// Throws value_error for an id outside [0, V): ids come from files and tokenizers that may not fit the model.
template <Scalar A, WeightDtype W, BaseDevice D>
Tensor<A, 3, D> embedding(const Tensor<i64, 2>& ids, const Tensor<W, 2, D>& table) {
  const isize V = table.extent(0), C = table.extent(1);
  const auto dense = ids.dense();
  for (isize i = 0, n = dense.size(); i < n; ++i)
    if (dense.data()[i] < 0 || dense.data()[i] >= V)
      throw value_error("embedding", detail::joined("id at position ", i),
                        detail::joined("0 <= id < ", V, " (rows of the table)"), detail::joined(dense.data()[i]));
  Tensor<A, 3, D> y({ids.extent(0), ids.extent(1), C});
  if (y.size()) embedding_kernel(D{}, y.rows(), dense.data(), table.weight_rows());
  return y;
}

HFT_COMPILED_IN(KERNELS, Tensor<f32, 3> embedding(const Tensor<i64, 2>&, const Tensor<f32, 2>&))
HFT_COMPILED_IN(KERNELS, Tensor<f32, 3> embedding(const Tensor<i64, 2>&, const Tensor<bf16, 2>&))
HFT_COMPILED_IN(KERNELS, Tensor<f32, 3> embedding(const Tensor<i64, 2>&, const Tensor<any_q, 2>&))

}  // namespace hft
