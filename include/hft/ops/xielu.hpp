// xielu: an activation whose slopes on both sides are learned (Huang & Schlag 2024, arXiv 2411.13010).
#pragma once
#include <hft/ops/cpu/xielu.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// p x^2 + beta x where x > 0, else n (e^min(x, eps) - 1 - x) + beta x, element by element, with all four of them (1).
template <Scalar A, std::size_t R, BaseDevice D>
Tensor<A, R, D> xielu(const Tensor<A, R, D>& x, const Tensor<A, 1, D>& p, const Tensor<A, 1, D>& n,
                      const Tensor<A, 1, D>& beta, const Tensor<A, 1, D>& eps) {
  const auto dense = x.collapsible();
  Tensor<A, R, D> y(x.shape());
  xielu_kernel(D{}, y.rows(), matrix<const A>(dense.rows()), p.data(), n.data(), beta.data(), eps.data());
  return y;
}

}  // namespace hft
