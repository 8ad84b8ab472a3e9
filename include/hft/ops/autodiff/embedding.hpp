// embedding on a device that records.
#pragma once
#include <algorithm>
#include <utility>

#include <hft/autodiff.hpp>
#include <hft/ops/cpu/embedding_backward.hpp>
#include <hft/ops/embedding.hpp>

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

}  // namespace hft
