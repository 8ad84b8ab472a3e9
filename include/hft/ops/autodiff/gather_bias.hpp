// gather_bias on a device that records.
#pragma once
#include <hft/autodiff.hpp>
#include <hft/ops/gather_bias.hpp>

namespace hft {

template <Scalar A, BaseDevice D>
Tensor<A, 4, autodiff<D>> gather_bias(const Tensor<A, 2, autodiff<D>>& table, const Tensor<i64, 2>& buckets) {
  const auto e = detail::edge(table);
  return detail::record(
      "gather_bias", gather_bias(table.value(), buckets),
      [e, buckets = buckets.clone(), shape = table.shape()](const auto& dy) {
        const auto rows = dy.template reshape<2>({shape[1], buckets.size()});
        e->accumulate_by(shape, [&](const auto& dtable, bool add) {
          gather_bias_backward_kernel(D{}, dtable.rows(), buckets.data(), matrix<const A>(rows.rows()), add);
        });
      },
      e);
}

}  // namespace hft
