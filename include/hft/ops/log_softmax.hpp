// log_softmax over the last dimension: (..., C) => (..., C)
#pragma once
#include <hft/ops/cpu/log_softmax.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// x - log(sum(exp(x))) over the last dimension. (torch.nn.functional.log_softmax)
template <Scalar A, std::size_t R, BaseDevice D>
Tensor<A, R, D> log_softmax(const Tensor<A, R, D>& x) {
  const auto dense = x.collapsible();
  Tensor<A, R, D> y(x.shape());
  log_softmax_kernel(D{}, y.rows(), matrix<const A>(dense.rows()));
  return y;
}

}  // namespace hft
