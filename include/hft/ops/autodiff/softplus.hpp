// softplus on a device that records.
#pragma once
#include <hft/autodiff.hpp>
#include <hft/ops/softplus.hpp>

namespace hft {

template <Scalar A, std::size_t R, BaseDevice D>
Tensor<A, R, autodiff<D>> softplus(const Tensor<A, R, autodiff<D>>& x) {
  const auto e = detail::edge(x);
  return detail::record(
      "softplus", softplus(x.value()),
      [e, xv = x.value()](const auto& dy) {
        e->accumulate_by(xv.shape(), [&](const auto& dx, bool add) {
          const auto dense = xv.collapsible();
          softplus_backward_kernel(D{}, dx.rows(), matrix<const A>(dy.rows()), matrix<const A>(dense.rows()), add);
        });
      },
      e);
}

}  // namespace hft
