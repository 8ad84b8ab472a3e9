// select_tokens: one token of each row of a batch. (B,T,C) => (B,C)
#pragma once
#include <vector>

#include <hft/ops/take_rows.hpp>

namespace hft {

/// Token tokens[b] of row b: (B,T,C) => (B,C). Throws shape_error unless there is one for each row, inside T.
template <class X>
requires(X::rank == 3) auto select_tokens(const X& x, const std::vector<isize>& tokens) {
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
  return take_rows(x.dense().template reshape<2>({B * T, x.extent(2)}), rows);
}

}  // namespace hft
