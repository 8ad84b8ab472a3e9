// top_k: where the largest of each row are. (N,E) => N k indices
#pragma once
#include <algorithm>
#include <numeric>
#include <vector>

#include <hft/tensor.hpp>

namespace hft {

/// The indices of the k largest of each row of scores (N,E), the largest first, equal ones by their place: N k of them.
template <Scalar A, BaseDevice D>
std::vector<isize> top_k(const Tensor<A, 2, D>& scores, isize k) {
  static_assert(D::host_memory, "hft: experts are chosen on the host");
  const isize N = scores.extent(0), E = scores.extent(1);
  const auto dense = scores.dense();
  std::vector<isize> chosen, order(static_cast<std::size_t>(E));
  chosen.reserve(std::size_t(N * k));
  for (isize n = 0; n < N; ++n) {
    const A* row = dense.data() + n * E;
    std::iota(order.begin(), order.end(), isize(0));
    std::partial_sort(order.begin(), order.begin() + k, order.end(),
                      [row](isize a, isize b) { return row[a] > row[b] || (row[a] == row[b] && a < b); });
    chosen.insert(chosen.end(), order.begin(), order.begin() + k);
  }
  return chosen;
}

}  // namespace hft
