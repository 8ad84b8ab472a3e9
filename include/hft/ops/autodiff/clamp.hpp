// clamp on a device that records.
#pragma once
#include <hft/autodiff.hpp>
#include <hft/ops/clamp.hpp>

namespace hft {

template <Scalar A, std::size_t R, BaseDevice D>
Tensor<A, R, autodiff<D>> clamp(const Tensor<A, R, autodiff<D>>& x, f64 low, f64 high) {
  const auto e = detail::edge(x);
  return detail::record(
      "clamp", clamp(x.value(), low, high),
      [e, low, high, xv = x.value()](const auto& dy) {
        e->accumulate_by(xv.shape(), [&](const auto& dx, bool add) {
          const auto dense = xv.collapsible();
          clamp_backward_kernel(D{}, dx.rows(), matrix<const A>(dy.rows()), matrix<const A>(dense.rows()), A(low),
                                A(high), add);
        });
      },
      e);
}

}  // namespace hft
