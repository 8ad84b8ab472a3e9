// concat_tokens on a device that records.
#pragma once
#include <hft/autodiff.hpp>
#include <hft/ops/concat_tokens.hpp>

namespace hft {

template <Scalar A, BaseDevice D>
Tensor<A, 3, autodiff<D>> concat_tokens(const Tensor<A, 3, autodiff<D>>& a, const Tensor<A, 3, autodiff<D>>& b) {
  const auto ea = detail::edge(a), eb = detail::edge(b);
  return detail::record(
      "concat_tokens", concat_tokens(a.value(), b.value()),
      [ea, eb, T = a.extent(1)](const auto& dy) {
        detail::send(ea, dy.slice(1, 0, T).dense());
        detail::send(eb, dy.slice(1, T, dy.extent(1)).dense());
      },
      ea, eb);
}

}  // namespace hft
