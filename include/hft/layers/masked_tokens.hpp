// Rows of tokens times numbers, and ESM's rows where training hid tokens.
#pragma once
#include <algorithm>
#include <vector>

#include <hft/ops/elementwise.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// Each token (B,T,C) times a number of its own (B*T). B: the build.
template <class B, class X>
X scale_tokens(const X& x, const std::vector<f32>& factors) {
  Tensor<typename B::activation, 3> all(x.shape());
  for (isize i = 0, C = x.extent(2); i < isize(factors.size()); ++i)
    std::fill_n(all.data() + i * C, C, typename B::activation(factors[std::size_t(i)]));
  return mul(x, X(to_device<typename B::base>(all)));
}

/// Rows (B,T,C) of tokens (B,T) with zeros where `mask_token` stands, and the others scaled by how many of them are
/// there, against the share that training hid. key_mask (B,T): 0 where a token does not count; empty: all do.
/// (transformers.models.esm.EsmEmbeddings, token_dropout)
template <class B, class X, class Mask>
X without_masked(const X& x, const Tensor<i64, 2>& ids, i64 mask_token, const Mask& key_mask) {
  constexpr f64 hidden_in_training = 0.15 * 0.8;
  const isize T = ids.extent(1);
  const auto dense = ids.dense();
  const auto keys = to_host(key_mask).dense();
  std::vector<f32> factors;
  for (isize b = 0; b < ids.extent(0); ++b) {
    const i64* row = dense.data() + b * T;
    const isize shown = key_mask ? std::count(keys.data() + b * T, keys.data() + (b + 1) * T, 1) : T;
    const f64 share = f64(std::count(row, row + T, mask_token)) / f64(shown);
    for (isize t = 0; t < T; ++t)
      factors.push_back(row[t] == mask_token ? 0 : f32((1 - hidden_in_training) / (1 - share)));
  }
  return scale_tokens<B>(x, factors);
}

}  // namespace hft
