// round_rows on a device that records: its gradient is taken for that of x (the straight-through estimator; Bengio,
// Leonard and Courville 2013, arXiv 1308.3432).
#pragma once
#include <hft/autodiff.hpp>
#include <hft/ops/round_rows.hpp>

namespace hft {

template <Scalar A, std::size_t R, BaseDevice D>
Tensor<A, R, autodiff<D>> round_rows(const Tensor<A, R, autodiff<D>>& x) {
  const auto e = detail::edge(x);
  return detail::record(
      "round_rows", round_rows(x.value()), [e](const auto& dy) { detail::send(e, dy); }, e);
}

}  // namespace hft
