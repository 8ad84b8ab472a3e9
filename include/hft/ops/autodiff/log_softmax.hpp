// log_softmax on a device that records. Opt-in: ops/autodiff.hpp does not bring it.
#pragma once
#include <hft/autodiff.hpp>
#include <hft/ops/log_softmax.hpp>

namespace hft {

template <Scalar A, std::size_t R, BaseDevice D>
Tensor<A, R, autodiff<D>> log_softmax(const Tensor<A, R, autodiff<D>>& x) {
  const auto e = detail::edge(x);
  const auto y = log_softmax(x.value());
  return detail::record(
      "log_softmax", y,
      [e, y](const auto& dy) {
        const Tensor<A, R, D> dx(y.shape());
        log_softmax_backward_kernel(D{}, dx.rows(), matrix<const A>(dy.rows()), matrix<const A>(y.rows()));
        detail::send(e, dx);
      },
      e);
}

}  // namespace hft
