// select_tokens: one token of each row of a batch. (B,T,C) => (B,C)
#pragma once
#include <cstring>
#include <vector>

#include <hft/tensor.hpp>

namespace hft {

template <class T>
void select_rows_kernel(cpu, matrix<T> y, matrix<const T> x, const isize* rows) {
  for (isize i = 0; i < y.rows; ++i) std::memcpy(y.row(i), x.row(rows[i]), std::size_t(y.cols) * sizeof(T));
}

/// Token tokens[b] of row b: (B,T,C) => (B,C). Throws shape_error unless there is one for each row, inside T.
template <Scalar A, BaseDevice D>
Tensor<A, 2, D> select_tokens(const Tensor<A, 3, D>& x, const std::vector<isize>& tokens) {
  const isize B = x.extent(0), T = x.extent(1);
  if (isize(tokens.size()) != B)
    throw shape_error("select_tokens", "tokens", detail::joined(B, ", one for each row"),
                      detail::joined(tokens.size()));
  std::vector<isize> rows;
  for (isize b = 0; b < B; ++b) {
    if (tokens[std::size_t(b)] < 0 || tokens[std::size_t(b)] >= T)
      throw shape_error("select_tokens", "token", detail::joined("0 <= token < ", T),
                        detail::joined(tokens[std::size_t(b)]));
    rows.push_back(b * T + tokens[std::size_t(b)]);
  }
  const auto from = x.collapsible();
  Tensor<A, 2, D> y({B, x.extent(2)});
  select_rows_kernel(D{}, y.rows(), matrix<const A>(from.rows()), rows.data());
  return y;
}

}  // namespace hft
