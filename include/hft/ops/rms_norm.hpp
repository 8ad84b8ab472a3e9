// rms_norm: (..., C), (C) => (..., C)
#pragma once
#include <hft/ops/cpu/norm.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// RMSNorm (Zhang & Sennrich 2019, arXiv 1910.07467): y = x / sqrt(mean(x^2) + eps) * weight, over the last dimension.
/// `c` may give C as Int<C>. Throws shape_error.
template <Scalar A, std::size_t R, BaseDevice D, class E = isize>
Tensor<A, R, D> rms_norm(const Tensor<A, R, D>& x, const Tensor<A, 1, D>& weight, f64 eps, E c = {}) {
  if (x.extent(R - 1) != weight.extent(0))
    throw shape_error("rms_norm", "", detail::joined("x (..., ", weight.extent(0), ")"), detail::shape_text(x.shape()));
  const auto dense = x.collapsible();
  Tensor<A, R, D> y(x.shape());
  if constexpr (std::is_same_v<E, isize>) c = x.extent(R - 1);
  rms_norm_kernel(D{}, y.rows(), matrix<const A>(dense.rows()), weight.data(), A(eps), c);
  return y;
}

HFT_COMPILED_IN(KERNELS, Tensor<f32, 2> rms_norm(const Tensor<f32, 2>&, const Tensor<f32, 1>&, f64, isize))
HFT_COMPILED_IN(KERNELS, Tensor<f32, 3> rms_norm(const Tensor<f32, 3>&, const Tensor<f32, 1>&, f64, isize))
HFT_COMPILED_IN(KERNELS, Tensor<f32, 4> rms_norm(const Tensor<f32, 4>&, const Tensor<f32, 1>&, f64, isize))

}  // namespace hft
