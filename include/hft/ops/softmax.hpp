// softmax over the last dimension: (..., C) => (..., C)
#pragma once
#include <hft/ops/cpu/softmax.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// exp(x - max) / sum(exp(x - max)) over the last dimension.
template <Scalar A, std::size_t R, BaseDevice D>
Tensor<A, R, D> softmax(const Tensor<A, R, D>& x) {
  const auto dense = x.collapsible();
  Tensor<A, R, D> y(x.shape());
  softmax_kernel(D{}, y.rows(), matrix<const A>(dense.rows()));
  return y;
}

}  // namespace hft
