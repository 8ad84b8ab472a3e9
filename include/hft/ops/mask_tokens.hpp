// mask_tokens: padding set to zero, for layers that carry a state from token to token. (B,T,C) => (B,T,C)
#pragma once
#include <hft/ops/cpu/mask_tokens.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// x (B,T,C) with zeros for the tokens whose mask (B,T) is 0. Throws shape_error.
/// (transformers.models.mamba.apply_mask_to_padding_states)
template <Scalar A, BaseDevice D>
Tensor<A, 3, D> mask_tokens(const Tensor<A, 3, D>& x, const Tensor<u8, 2, D>& mask) {
  if (mask.shape() != Shape<2>{x.extent(0), x.extent(1)})
    throw shape_error("mask_tokens", "mask",
                      detail::joined("(", x.extent(0), ", ", x.extent(1), "), one value for each token"),
                      detail::shape_text(mask.shape()));
  const auto rows = x.collapsible();
  const auto keep = mask.dense();
  Tensor<A, 3, D> y(x.shape());
  mask_tokens_kernel(D{}, y.rows(), matrix<const A>(rows.rows()), static_cast<const u8*>(keep.data()));
  return y;
}

HFT_COMPILED_IN(KERNELS, Tensor<f32, 3> mask_tokens(const Tensor<f32, 3>&, const Tensor<u8, 2>&))

}  // namespace hft
