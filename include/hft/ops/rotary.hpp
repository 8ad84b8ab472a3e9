// apply_rotary: rotary position embedding of queries and keys. (B,T,H,D), (B*T,R/2) cos and sin => (B,T,H,D)
#pragma once
#include <hft/ops/cpu/rope.hpp>
#include <hft/ops/heads.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// Rotates the first R of each head's D elements by angles whose cosines and sines are given (Su et al. 2021,
/// arXiv 2104.09864). Pairs are (i, i + R/2), as Transformers stores its weights, or (2i, 2i + 1) if `interleaved`.
///   x (B,T,H,D); cos, sin (B*T, R/2); returns (B,T,H,D). Throws shape_error.
template <Scalar A, BaseDevice D>
Tensor<A, 4, D> apply_rotary(const Tensor<A, 4, D>& x, const Tensor<A, 2, D>& cos, const Tensor<A, 2, D>& sin,
                             bool interleaved = false) {
  if (cos.shape() != sin.shape() || cos.extent(0) != x.extent(0) * x.extent(1) || 2 * cos.extent(1) > x.extent(3))
    throw shape_error("apply_rotary", "",
                      detail::joined("cos and sin (", x.extent(0) * x.extent(1), ", R/2) with R <= ", x.extent(3),
                                     " for x ", detail::shape_text(x.shape())),
                      detail::joined(detail::shape_text(cos.shape()), " and ", detail::shape_text(sin.shape())));
  Tensor<A, 4, D> y(x.shape());
  rope_kernel(D{}, heads(y), heads_view<const A>(heads(x)), matrix<const A>(cos.rows()), matrix<const A>(sin.rows()),
              interleaved);
  return y;
}

HFT_COMPILED_IN(KERNELS,
                Tensor<f32, 4> apply_rotary(const Tensor<f32, 4>&, const Tensor<f32, 2>&, const Tensor<f32, 2>&, bool))

}  // namespace hft
