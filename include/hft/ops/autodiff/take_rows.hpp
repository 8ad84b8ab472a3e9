// take_rows and combine_rows on a device that records.
#pragma once
#include <memory>
#include <vector>

#include <hft/autodiff.hpp>
#include <hft/ops/combine_rows.hpp>
#include <hft/ops/cpu/embedding_backward.hpp>
#include <hft/ops/take_rows.hpp>

namespace hft {

template <Scalar A, BaseDevice D>
Tensor<A, 2, autodiff<D>> take_rows(const Tensor<A, 2, autodiff<D>>& x, const std::vector<isize>& rows) {
  const auto e = detail::edge(x);
  return detail::record(
      "take_rows", take_rows(x.value(), rows),
      [e, ids = std::vector<i64>(rows.begin(), rows.end()), shape = x.shape()](const auto& dy) {
        e->accumulate_by(shape, [&](const auto& dx, bool add) {
          embedding_backward_kernel(D{}, dx.rows(), ids.data(), matrix<const A>(dy.rows()), add);
        });
      },
      e);
}

template <Scalar A, BaseDevice D>
Tensor<A, 2, autodiff<D>> combine_rows(const std::vector<Tensor<A, 2, autodiff<D>>>& parts,
                                       const std::vector<std::vector<isize>>& places,
                                       const Tensor<A, 2, autodiff<D>>& weights) {
  std::vector<Tensor<A, 2, D>> values;
  std::vector<decltype(detail::edge(weights))> edges;
  for (const auto& p : parts) values.push_back(p.value()), edges.push_back(detail::edge(p));
  const auto ew = detail::edge(weights);
  auto y = combine_rows(values, places, weights.value());
  const isize C = y.extent(1);
  const auto backward = [edges, ew, values, places, wv = weights.value().dense(), C](const auto& dy) {
    const isize N = wv.extent(0), k = wv.extent(1);
    const auto rows = detail::row_pointers(values, places, N * k, C);
    std::vector<Tensor<A, 2, D>> gradients;
    for (const auto& v : values) gradients.push_back(Tensor<A, 2, D>(v.shape()));
    const auto drows = detail::row_pointers(gradients, places, N * k, C);
    const Tensor<A, 2, D> dweights({N, k});
    combine_rows_backward_kernel(D{}, drows.data(), dweights.data(), matrix<const A>(dy.rows()), rows.data(), wv.data(),
                                 k);
    for (std::size_t i = 0; i < edges.size(); ++i) detail::send(edges[i], gradients[i]);
    detail::send(ew, dweights);
  };
  auto out = detail::record("combine_rows", std::move(y), backward, ew);
  for (const auto& e : edges) {
    if (!e) continue;
    if (!out.history())
      out = detail::record("combine_rows", out.value(), backward, e);
    else
      out.history()->inputs.push_back(e);
  }
  return out;
}

}  // namespace hft
