// negative_exp on a device that records.
#pragma once
#include <hft/autodiff.hpp>
#include <hft/ops/negative_exp.hpp>

namespace hft {

template <Scalar A, std::size_t R, BaseDevice D>
Tensor<A, R, autodiff<D>> negative_exp(const Tensor<A, R, autodiff<D>>& x) {
  const auto e = detail::edge(x);
  const auto y = negative_exp(x.value());
  return detail::record(
      "negative_exp", y,
      [e, y](const auto& dy) {
        e->accumulate_by(y.shape(), [&](const auto& dx, bool add) {
          negative_exp_backward_kernel(D{}, dx.rows(), matrix<const A>(dy.rows()), matrix<const A>(y.rows()), add);
        });
      },
      e);
}

}  // namespace hft
