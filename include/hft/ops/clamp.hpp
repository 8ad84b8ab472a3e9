// clamp: x between two bounds, element by element.
#pragma once
#include <hft/ops/cpu/clamp.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// min(max(x, low), high); NaN stays. (torch.clamp)
template <Scalar A, std::size_t R, BaseDevice D>
Tensor<A, R, D> clamp(const Tensor<A, R, D>& x, f64 low, f64 high) {
  const auto dense = x.collapsible();
  Tensor<A, R, D> y(x.shape());
  clamp_kernel(D{}, y.rows(), matrix<const A>(dense.rows()), A(low), A(high));
  return y;
}

HFT_COMPILED_IN(KERNELS, Tensor<f32, 3> clamp(const Tensor<f32, 3>&, f64, f64))

}  // namespace hft
