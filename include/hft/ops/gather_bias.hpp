// gather_bias: attention's bias from a table with a row for each bucket of (query, key) pairs, as relative positions
// have it in T5, Swin and BEiT. (n,H), (T,S) => (1,H,T,S)
#pragma once
#include <hft/ops/cpu/gather_bias.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// y(0,h,t,s) = table(buckets(t,s), h): table (n,H), buckets (T,S) => (1,H,T,S).
/// Throws value_error for a bucket outside [0, n).
template <Scalar A, BaseDevice D>
Tensor<A, 4, D> gather_bias(const Tensor<A, 2, D>& table, const Tensor<i64, 2>& buckets) {
  const isize n = table.extent(0), H = table.extent(1), T = buckets.extent(0), S = buckets.extent(1);
  const auto dense = buckets.dense();
  for (isize i = 0; i < T * S; ++i)
    if (dense.data()[i] < 0 || dense.data()[i] >= n)
      throw value_error("gather_bias", detail::joined("bucket of query ", i / S, " and key ", i % S),
                        detail::joined("0 <= bucket < ", n, " (rows of the table)"), detail::joined(dense.data()[i]));
  Tensor<A, 4, D> y({1, H, T, S});
  gather_bias_kernel(D{}, y.template reshape<2>({H, T * S}).rows(), dense.data(), matrix<const A>(table.rows()));
  return y;
}

HFT_COMPILED_IN(KERNELS, Tensor<f32, 4> gather_bias(const Tensor<f32, 2>&, const Tensor<i64, 2>&))

}  // namespace hft
