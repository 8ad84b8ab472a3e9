// patches on a device that records.
#pragma once
#include <hft/autodiff.hpp>
#include <hft/ops/patches.hpp>

namespace hft {

template <Scalar A, BaseDevice D>
Tensor<A, 3, autodiff<D>> patches(const Tensor<A, 4, autodiff<D>>& x, isize p, isize q) {
  const auto e = detail::edge(x);
  return detail::record(
      "patches", patches(x.value(), p, q),
      [e, shape = x.shape(), grid = detail::grid_of(x, p, q)](const auto& dy) {
        e->accumulate_by(shape, [&](const auto& dx, bool add) {
          patches_backward_kernel(D{}, dx.data(), static_cast<const A*>(dy.data()), grid, add);
        });
      },
      e);
}

template <Scalar A, BaseDevice D>
Tensor<A, 4, autodiff<D>> image_of_patches(const Tensor<A, 3, autodiff<D>>& x, isize side, isize p) {
  const auto e = detail::edge(x);
  return detail::record(
      "image_of_patches", image_of_patches(x.value(), side, p),
      [e, p](const auto& dy) { detail::send(e, patches(dy, p, p)); }, e);
}

}  // namespace hft
