// replace_rows and replace_columns on a device that records.
#pragma once
#include <vector>

#include <hft/autodiff.hpp>
#include <hft/ops/cpu/embedding_backward.hpp>
#include <hft/ops/replace.hpp>

namespace hft {

/// A slot of `frozen` gets no gradient, as the padding row of torch.nn.Embedding.
template <Scalar A, BaseDevice D>
Tensor<A, 3, autodiff<D>> replace_rows(const Tensor<A, 3, autodiff<D>>& y, const std::vector<i64>& slots,
                                       const Tensor<A, 2, autodiff<D>>& rows, i64 frozen = -1) {
  const auto ey = detail::edge(y);
  const auto er = detail::edge(rows);
  return detail::record(
      "replace_rows", replace_rows(y.value(), slots, rows.value()),
      [=, shape = rows.shape()](const auto& dy) {
        if (ey) {
          auto kept = dy.clone();
          const isize C = kept.extent(2);
          for (std::size_t i = 0; i < slots.size(); ++i)
            if (slots[i] >= 0) std::fill_n(kept.data() + isize(i) * C, C, A(0));
          detail::send(ey, kept);
        }
        if (!er) return;
        auto trained = slots;
        std::replace(trained.begin(), trained.end(), frozen, i64(-1));
        er->accumulate_by(shape, [&](const auto& d, bool add) {
          embedding_backward_kernel(D{}, d.rows(), trained.data(), matrix<const A>(dy.rows()), add);
        });
      },
      ey, er);
}

template <Scalar A, std::size_t R, BaseDevice D>
Tensor<A, R, autodiff<D>> replace_columns(const Tensor<A, R, autodiff<D>>& y, const std::vector<i64>& indices,
                                          const Tensor<A, R, autodiff<D>>& columns) {
  const auto ey = detail::edge(y);
  const auto ec = detail::edge(columns);
  return detail::record(
      "replace_columns", replace_columns(y.value(), indices, columns.value()),
      [=, shape = columns.shape()](const auto& dy) {
        const auto kept = dy.clone();
        const auto rows = kept.rows();
        auto picked = Tensor<A, R, D>(shape);
        const auto part = picked.rows();
        for (isize i = 0; i < rows.rows; ++i)
          for (std::size_t k = 0; k < indices.size(); ++k) {
            part.row(i)[k] = rows.row(i)[indices[k]];
            rows.row(i)[indices[k]] = A(0);
          }
        detail::send(ey, kept);
        detail::send(ec, picked);
      },
      ey, ec);
}

}  // namespace hft
