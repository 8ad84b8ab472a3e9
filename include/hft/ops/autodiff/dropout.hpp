// dropout on a device that records: the same mask drops the gradient.
#pragma once
#include <hft/autodiff.hpp>
#include <hft/ops/dropout.hpp>

namespace hft {

template <Scalar A, std::size_t R, BaseDevice D>
Tensor<A, R, autodiff<D>> dropout(const Tensor<A, R, autodiff<D>>& x, const Dropout& d) {
  const auto e = detail::edge(x);
  return detail::record(
      "dropout", dropout(x.value(), d), [e, d](const auto& dy) { detail::send(e, dropout(dy, d)); }, e);
}

}  // namespace hft
