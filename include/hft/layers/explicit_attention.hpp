// explicit_attention: attention whose scores are all in memory, for what no kernel does.
#pragma once
#include <vector>

#include <hft/layers/context.hpp>
#include <hft/layers/dropout.hpp>
#include <hft/ops/combine_rows.hpp>
#include <hft/ops/elementwise.hpp>
#include <hft/ops/linear.hpp>
#include <hft/ops/softmax.hpp>

namespace hft {

/// softmax(scale q k^T + bias + shift) v. The shift is added last: where all keys of a row have the same large one it
/// rounds the scores as Transformers does.
///   q (B,T,H,D), k and v (B,S,H,D), bias (B,H,T,S), shift (B,S) => (B,T,H*D)
template <class Heads, class Base, class Context>
auto explicit_attention(const Heads& q, const Heads& k, const Heads& v, f64 scaled, const Heads& bias,
                        const Base& shift, f64 dropout, Context& context) {
  using A = typename Base::dtype_t;
  using rows_t = std::decay_t<decltype(q.template reshape<2>({1, 1}))>;
  const isize B = q.extent(0), T = q.extent(1), H = q.extent(2), D = q.extent(3), S = k.extent(1);
  const auto head = [&](const Heads& x, isize b, isize h) {
    return x.slice(0, b, b + 1).slice(2, h, h + 1).dense().template reshape<2>({x.extent(1), D});
  };
  std::vector<rows_t> seen;
  std::vector<std::vector<isize>> places;
  for (isize b = 0; b < B; ++b)
    for (isize h = 0; h < H; ++h) {
      Base shifts({T, S});
      for (isize i = 0; i < T * S; ++i) shifts.data()[i] = shift.data()[b * S + i % S];
      const rows_t own = bias.slice(0, b, b + 1).slice(1, h, h + 1).dense().template reshape<2>({T, S});
      const rows_t scores = add(scale(rows_t(linear(head(q, b, h), head(k, b, h))), scaled), own);
      const rows_t weights = apply_dropout(rows_t(softmax(rows_t(add(scores, shifts)))), dropout, context);
      const auto values = head(v, b, h).template reshape<3>({S, D, 1}).permute({1, 0, 2}).dense();  // (D,S,1)
      seen.push_back(linear(weights, values.template reshape<2>({D, S})));
      places.emplace_back();
      for (isize t = 0; t < T; ++t) places.back().push_back((b * T + t) * H + h);
    }
  return combine_rows(seen, places, rows_t(Base::filled({B * T * H, 1}, A(1)))).template reshape<3>({B, T, H * D});
}

}  // namespace hft
