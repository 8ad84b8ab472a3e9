// relative_scores on a device that records.
#pragma once
#include <hft/autodiff.hpp>
#include <hft/ops/relative_scores.hpp>

namespace hft {

template <Scalar A, BaseDevice D>
Tensor<A, 4, autodiff<D>> relative_scores(const Tensor<A, 4, autodiff<D>>& x, const Tensor<A, 3, autodiff<D>>& rows,
                                          const Tensor<i64, 3>& index, scored who) {
  const auto ex = detail::edge(x), er = detail::edge(rows);
  return detail::record(
      "relative_scores", relative_scores(x.value(), rows.value(), index, who),
      [ex, er, xv = x.value(), rv = rows.value().dense(), index = index.dense(), who](const auto& dy) {
        const auto p = detail::make_relative_scores(xv, rv, index, who);
        if (ex)
          ex->accumulate_by(xv.shape(), [&](const auto& dx, bool add) {
            relative_scores_input_gradient_kernel(D{}, dx.data(), static_cast<const A*>(dy.data()), p, add);
          });
        if (er)
          er->accumulate_by(rv.shape(), [&](const auto& dr, bool add) {
            relative_scores_rows_gradient_kernel(D{}, dr.data(), static_cast<const A*>(dy.data()), p, add);
          });
      },
      ex, er);
}

}  // namespace hft
