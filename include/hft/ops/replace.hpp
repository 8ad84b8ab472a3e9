// replace_rows, replace_columns: a result in which some tokens' part is another's: what trained tokens make of an
// embedding and of a head.
#pragma once
#include <algorithm>
#include <vector>

#include <hft/tensor.hpp>

namespace hft {

/// y (B,T,C) with the row of each position whose slot is not negative from rows (n,C), at that slot.
template <Scalar A, BaseDevice D>
Tensor<A, 3, D> replace_rows(const Tensor<A, 3, D>& y, const std::vector<i64>& slots, const Tensor<A, 2, D>& rows) {
  static_assert(D::host_memory, "hft: rows are replaced on the host");
  auto out = y.clone();
  const isize C = y.extent(2);
  for (std::size_t i = 0; i < slots.size(); ++i)
    if (slots[i] >= 0) std::copy_n(rows.data() + slots[i] * rows.stride(0), C, out.data() + isize(i) * C);
  return out;
}

/// y (...,V) with the columns `indices` from columns (...,n), in their order.
template <Scalar A, std::size_t R, BaseDevice D>
Tensor<A, R, D> replace_columns(const Tensor<A, R, D>& y, const std::vector<i64>& indices,
                                const Tensor<A, R, D>& columns) {
  static_assert(D::host_memory, "hft: columns are replaced on the host");
  auto out = y.clone();
  const auto from = columns.rows();
  const auto to = out.rows();
  for (isize i = 0; i < to.rows; ++i)
    for (std::size_t k = 0; k < indices.size(); ++k) to.row(i)[indices[k]] = from.row(i)[k];
  return out;
}

}  // namespace hft
