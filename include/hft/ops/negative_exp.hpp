// negative_exp: -e^x, element by element. State space models learn the logarithms of their decay rates.
#pragma once
#include <hft/ops/cpu/negative_exp.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// -e^x.
template <Scalar A, std::size_t R, BaseDevice D>
Tensor<A, R, D> negative_exp(const Tensor<A, R, D>& x) {
  const auto dense = x.collapsible();
  Tensor<A, R, D> y(x.shape());
  negative_exp_kernel(D{}, y.rows(), matrix<const A>(dense.rows()));
  return y;
}

}  // namespace hft
