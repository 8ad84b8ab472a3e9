// fourier on a device that records. Its matrix is symmetric: the gradient is transformed as x is.
#pragma once
#include <hft/autodiff.hpp>
#include <hft/ops/fourier.hpp>

namespace hft {

template <Scalar A, BaseDevice D>
Tensor<A, 3, autodiff<D>> fourier(const Tensor<A, 3, autodiff<D>>& x) {
  const auto e = detail::edge(x);
  return detail::record(
      "fourier", fourier(x.value()),
      [e, shape = x.shape()](const auto& dy) {
        e->accumulate_by(shape, [&](const auto& dx, bool add) {
          fourier_kernel(D{}, dx.rows(), matrix<const A>(dy.rows()), shape[1], add);
        });
      },
      e);
}

}  // namespace hft
