// mask_tokens on a device that records: the same tokens get no gradient.
#pragma once
#include <hft/autodiff.hpp>
#include <hft/ops/mask_tokens.hpp>

namespace hft {

template <Scalar A, BaseDevice D>
Tensor<A, 3, autodiff<D>> mask_tokens(const Tensor<A, 3, autodiff<D>>& x, const Tensor<u8, 2, D>& mask) {
  const auto e = detail::edge(x);
  return detail::record(
      "mask_tokens", mask_tokens(x.value(), mask),
      [e, mask](const auto& dy) { detail::send(e, mask_tokens(dy, mask)); }, e);
}

}  // namespace hft
