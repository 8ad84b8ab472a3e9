// take_rows: chosen rows of a matrix, in any order, any of them more than once. (N,C) => (n,C)
#pragma once
#include <cstring>
#include <vector>

#include <hft/tensor.hpp>

namespace hft {

template <class T>
void take_rows_kernel(cpu, matrix<T> y, matrix<const T> x, const isize* rows) {
  for (isize i = 0; i < y.rows; ++i) std::memcpy(y.row(i), x.row(rows[i]), std::size_t(y.cols) * sizeof(T));
}

/// Rows rows[0], rows[1], ... of x (N,C) => (n,C). Throws shape_error for a row outside x.
template <Scalar A, BaseDevice D>
Tensor<A, 2, D> take_rows(const Tensor<A, 2, D>& x, const std::vector<isize>& rows) {
  for (const isize r : rows)
    if (r < 0 || r >= x.extent(0))
      throw shape_error("take_rows", "row", detail::joined("0 <= row < ", x.extent(0)), detail::joined(r));
  const auto from = x.collapsible();
  Tensor<A, 2, D> y({isize(rows.size()), x.extent(1)});
  if (y.size()) take_rows_kernel(D{}, y.rows(), matrix<const A>(from.rows()), rows.data());
  return y;
}

}  // namespace hft
