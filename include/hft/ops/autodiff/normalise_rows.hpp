// normalise_rows on a device that records.
#pragma once
#include <hft/autodiff.hpp>
#include <hft/ops/normalise_rows.hpp>

namespace hft {

template <Scalar A, BaseDevice D>
Tensor<A, 2, autodiff<D>> normalise_rows(const Tensor<A, 2, autodiff<D>>& x, f64 least = 0) {
  const auto e = detail::edge(x);
  return detail::record(
      "normalise_rows", normalise_rows(x.value(), least),
      [e, least, xv = x.value()](const auto& dy) {
        e->accumulate_by(xv.shape(), [&](const auto& dx, bool add) {
          const auto dense = xv.collapsible();
          normalise_rows_backward_kernel(D{}, dx.rows(), matrix<const A>(dy.rows()), matrix<const A>(dense.rows()),
                                         A(least), add);
        });
      },
      e);
}

}  // namespace hft
