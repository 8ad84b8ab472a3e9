// softplus: log(1 + e^x), element by element.
#pragma once
#include <hft/ops/cpu/softplus.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// log(1 + e^x), which is x itself above 20. (torch.nn.functional.softplus)
template <Scalar A, std::size_t R, BaseDevice D>
Tensor<A, R, D> softplus(const Tensor<A, R, D>& x) {
  const auto dense = x.collapsible();
  Tensor<A, R, D> y(x.shape());
  softplus_kernel(D{}, y.rows(), matrix<const A>(dense.rows()));
  return y;
}

}  // namespace hft
