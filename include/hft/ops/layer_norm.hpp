// layer_norm: (..., C), (C) [, (C)] => (..., C)
#pragma once
#include <hft/ops/cpu/norm.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// LayerNorm (Ba, Kiros & Hinton 2016, arXiv 1607.06450): y = (x - mean) / sqrt(variance + eps) * weight + bias, over
/// the last dimension, with the biased variance. `bias` may be empty; `c` may give C as Int<C>. Throws shape_error.
template <Scalar A, std::size_t R, BaseDevice D, class E = isize>
Tensor<A, R, D> layer_norm(const Tensor<A, R, D>& x, const Tensor<A, 1, D>& weight, const Tensor<A, 1, D>& bias,
                           f64 eps, E c = {}) {
  if (x.extent(R - 1) != weight.extent(0))
    throw shape_error("layer_norm", "", detail::joined("x (..., ", weight.extent(0), ")"),
                      detail::shape_text(x.shape()));
  const auto dense = x.collapsible();
  Tensor<A, R, D> y(x.shape());
  if constexpr (std::is_same_v<E, isize>) c = x.extent(R - 1);
  layer_norm_kernel(D{}, y.rows(), matrix<const A>(dense.rows()), weight.data(), bias.data(), A(eps), c);
  return y;
}

HFT_COMPILED_IN(KERNELS, Tensor<f32, 2> layer_norm(const Tensor<f32, 2>&, const Tensor<f32, 1>&, const Tensor<f32, 1>&,
                                                   f64, isize))
HFT_COMPILED_IN(KERNELS, Tensor<f32, 3> layer_norm(const Tensor<f32, 3>&, const Tensor<f32, 1>&, const Tensor<f32, 1>&,
                                                   f64, isize))

}  // namespace hft
