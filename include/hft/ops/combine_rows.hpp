// combine_rows: sums of weighted rows that lie in several matrices, as experts leave them.
//   parts (n_e,C), weights (N,k) => (N,C)
#pragma once
#include <numeric>
#include <vector>

#include <hft/ops/cpu/combine_rows.hpp>
#include <hft/tensor.hpp>

namespace hft {

namespace detail {

// Where the row of each place lies; null where none does. `dense` parts alone.
template <class A, class D>
std::vector<A*> row_pointers(const std::vector<Tensor<A, 2, D>>& parts, const std::vector<std::vector<isize>>& places,
                             isize count, isize cols) {
  std::vector<A*> rows(std::size_t(count), nullptr);
  for (std::size_t p = 0; p < parts.size(); ++p)
    for (std::size_t i = 0; i < places[p].size(); ++i)
      rows[std::size_t(places[p][i])] = const_cast<A*>(parts[p].data()) + isize(i) * cols;
  return rows;
}

}  // namespace detail

/// Row n of the result is the sum over j of weights[n, j] times the row whose place is n k + j; row i of parts[p] has
/// the place places[p][i]. A place without a row adds nothing. Throws shape_error for rows and places that do not fit.
template <Scalar A, BaseDevice D>
Tensor<A, 2, D> combine_rows(const std::vector<Tensor<A, 2, D>>& parts, const std::vector<std::vector<isize>>& places,
                             const Tensor<A, 2, D>& weights) {
  const isize N = weights.extent(0), k = weights.extent(1), C = parts.empty() ? 0 : parts[0].extent(1);
  if (parts.size() != places.size())
    throw shape_error("combine_rows", "places", detail::joined("those of ", parts.size(), " parts"),
                      detail::joined(places.size()));
  std::vector<Tensor<A, 2, D>> dense;
  for (std::size_t p = 0; p < parts.size(); ++p) {
    if (parts[p].shape() != Shape<2>{isize(places[p].size()), C})
      throw shape_error("combine_rows", "part", detail::shape_text(Shape<2>{isize(places[p].size()), C}),
                        detail::shape_text(parts[p].shape()));
    for (const isize place : places[p])
      if (place < 0 || place >= N * k)
        throw shape_error("combine_rows", "place", detail::joined("0 <= place < ", N * k), detail::joined(place));
    dense.push_back(parts[p].dense());
  }
  const auto rows = detail::row_pointers(dense, places, N * k, C);
  const auto w = weights.dense();
  Tensor<A, 2, D> y({N, C});
  combine_rows_kernel(D{}, y.rows(), const_cast<const A* const*>(rows.data()), w.data(), k);
  return y;
}

/// Row n of x (N,C) times weights[n, 0], (N,1) => (N,C). Throws shape_error.
template <class X>
X scale_rows(const X& x, const X& weights) {
  if (weights.shape() != Shape<2>{x.extent(0), 1})
    throw shape_error("scale_rows", "weights", detail::shape_text(Shape<2>{x.extent(0), 1}),
                      detail::shape_text(weights.shape()));
  std::vector<isize> all(static_cast<std::size_t>(x.extent(0)));
  std::iota(all.begin(), all.end(), isize(0));
  return combine_rows(std::vector{x}, {all}, weights);
}

HFT_COMPILED_IN(KERNELS, Tensor<f32, 2> combine_rows(const std::vector<Tensor<f32, 2>>&,
                                                     const std::vector<std::vector<isize>>&, const Tensor<f32, 2>&))
HFT_COMPILED_IN(KERNELS, Tensor<f32, 2> scale_rows(const Tensor<f32, 2>&, const Tensor<f32, 2>&))

}  // namespace hft
