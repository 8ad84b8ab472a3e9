// embedding and select_tokens on a device that records.
#pragma once
#include <algorithm>
#include <utility>

#include <hft/autodiff.hpp>
#include <hft/ops/cpu/embedding_backward.hpp>
#include <hft/ops/embedding.hpp>
#include <hft/ops/select_tokens.hpp>

namespace hft {

/// The row of padding_idx gets no gradient, as in torch.nn.Embedding.
template <Scalar A, class W, BaseDevice D>
Tensor<A, 3, autodiff<D>> embedding(const Tensor<i64, 2>& ids, const Tensor<W, 2, autodiff<D>>& table,
                                    i64 padding_idx = -1) {
  const auto e = detail::edge(table);
  auto trained = ids.clone();
  std::replace(trained.data(), trained.data() + trained.size(), padding_idx, i64(-1));
  return detail::record(
      "embedding", embedding<A>(ids, table.value()),
      [e, ids = std::move(trained), shape = table.shape()](const auto& dy) {
        e->accumulate_by(shape, [&](const auto& dtable, bool add) {
          embedding_backward_kernel(D{}, dtable.rows(), ids.data(), matrix<const A>(dy.rows()), add);
        });
      },
      e);
}

template <Scalar A, BaseDevice D>
Tensor<A, 2, autodiff<D>> select_tokens(const Tensor<A, 3, autodiff<D>>& x, const std::vector<isize>& tokens) {
  const auto e = detail::edge(x);
  return detail::record(
      "select_tokens", select_tokens(x.value(), tokens),
      [e, tokens, shape = x.shape()](const auto& dy) {
        std::vector<i64> rows;
        for (std::size_t b = 0; b < tokens.size(); ++b) rows.push_back(isize(b) * shape[1] + tokens[b]);
        e->accumulate_by(shape, [&](const auto& dx, bool add) {
          embedding_backward_kernel(D{}, dx.rows(), rows.data(), matrix<const A>(dy.rows()), add);
        });
      },
      e);
}

}  // namespace hft
