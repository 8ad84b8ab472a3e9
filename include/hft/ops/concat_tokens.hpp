// concat_tokens: one sequence behind another. (B,T,C), (B,S,C) => (B,T+S,C)
#pragma once
#include <hft/ops/copy.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// The tokens of each row of a, and behind them those of b. Throws shape_error unless rows and channels agree.
template <Scalar A, BaseDevice D>
Tensor<A, 3, D> concat_tokens(const Tensor<A, 3, D>& a, const Tensor<A, 3, D>& b) {
  const isize B = a.extent(0), T = a.extent(1), S = b.extent(1), C = a.extent(2);
  if (b.extent(0) != B || b.extent(2) != C)
    throw shape_error("concat_tokens", "", "two tensors of equal rows and channels",
                      detail::joined(detail::shape_text(a.shape()), " and ", detail::shape_text(b.shape())));
  const Tensor<A, 4, D> y({B, T + S, 1, C});
  const auto put = [&](const Tensor<A, 3, D>& x, isize from) {
    const isize n = x.extent(1);
    if (n) copy_into(y.slice(1, from, from + n), x.dense().template reshape<4>({B, n, 1, C}));
  };
  put(a, 0);
  put(b, T);
  return y.template reshape<3>({B, T + S, C});
}

HFT_COMPILED_IN(KERNELS, Tensor<f32, 3> concat_tokens(const Tensor<f32, 3>&, const Tensor<f32, 3>&))

}  // namespace hft
