// fourier: the discrete Fourier transform of each sequence, over its tokens and its channels. (B,T,C) => (B,T,C)
#pragma once
#include <hft/ops/cpu/fourier.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// The real part of the transform, which is not scaled. (torch.fft.fftn(x, dim=(1, 2)).real)
template <Scalar A, BaseDevice D>
Tensor<A, 3, D> fourier(const Tensor<A, 3, D>& x) {
  const auto dense = x.collapsible();
  Tensor<A, 3, D> y(x.shape());
  fourier_kernel(D{}, y.rows(), matrix<const A>(dense.rows()), x.extent(1), false);
  return y;
}

}  // namespace hft
