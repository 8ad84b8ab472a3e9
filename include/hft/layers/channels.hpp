// Channels side by side, and one row for all tokens: what layers are put together with.
#pragma once
#include <hft/ops/concat_tokens.hpp>
#include <hft/ops/elementwise.hpp>
#include <hft/ops/embedding.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// The channels of a, and behind them those of b: (B,T,C), (B,T,E) => (B,T,C+E).
template <class X>
X concat_channels(const X& a, const X& b) {
  const isize N = a.extent(0) * a.extent(1);
  const auto rows = [&](const X& x) { return x.dense().template reshape<3>({N, 1, x.extent(2)}); };
  if (a.extent(2) == b.extent(2))
    return concat_tokens(rows(a), rows(b)).template reshape<3>({a.extent(0), a.extent(1), 2 * a.extent(2)});
  const auto elements = [&](const X& x) { return x.dense().template reshape<3>({N, x.extent(2), 1}); };
  return concat_tokens(elements(a), elements(b))
      .template reshape<3>({a.extent(0), a.extent(1), a.extent(2) + b.extent(2)});
}

/// What f makes of each of so many groups of channels, side by side: f(g, (B,T,C/G)) of E/G channels each
/// => (B,T,E)
template <class X, class F>
X by_groups(const X& x, isize groups, const F& f) {
  const isize C = x.extent(2) / groups, N = x.extent(0) * x.extent(1);
  X y;
  for (isize g = 0; g < groups; ++g) {
    const X made = f(g, x.slice(2, g * C, (g + 1) * C).dense());
    const X part = made.template reshape<3>({N, 1, made.extent(2)});
    y = g ? concat_tokens(y, part) : part;
  }
  return y.template reshape<3>({x.extent(0), x.extent(1), y.extent(1) * y.extent(2)});
}

/// x (..., C) with the row (C) added to all others.
template <class X, class Row>
X add_row(const X& x, const Row& row) {
  const isize C = x.extent(x.rank - 1);
  const Tensor<i64, 2> first = Tensor<i64, 2>::zeros({1, x.size() / C});
  return add(
      x, embedding<typename X::dtype_t>(first, row.template reshape<2>({1, C})).template reshape<X::rank>(x.shape()));
}

/// A dense tensor, or an empty one where x is that.
template <class X>
X dense_or_empty(const X& x) {
  return x ? x.dense() : X();
}

/// n tokens of zeros before or behind x, n below 0: before. (B,T,C) => (B,T+|n|,C)
template <class X>
X pad_tokens(const X& x, isize n) {
  if (n == 0) return x;
  using base = Tensor<typename X::dtype_t, 3, typename X::device::base>;
  const X zeros(base::zeros({x.extent(0), n < 0 ? -n : n, x.extent(2)}));
  return n < 0 ? concat_tokens(zeros, x) : concat_tokens(x, zeros);
}

HFT_COMPILED_IN(MODELS, Tensor<f32, 3> add_row(const Tensor<f32, 3>&, const Tensor<f32, 1>&))
HFT_COMPILED_IN(MODELS, Tensor<f32, 2> add_row(const Tensor<f32, 2>&, const Tensor<f32, 1>&))

}  // namespace hft
