// relative_scores: what attention's scores get from rows of a table that the places of query and key choose.
//   (B,T|S,H,D), (P,H,D), (1|B,T,S) => (B,H,T,S)
#pragma once
#include <hft/ops/cpu/relative_scores.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// Whose product with the row it is.
enum class scored { queries, keys };

namespace detail {
template <Scalar A, BaseDevice D>
relative_scores_problem<A> make_relative_scores(const Tensor<A, 4, D>& x, const Tensor<A, 3, D>& rows,
                                                const Tensor<i64, 3>& index, scored who) {
  const isize P = rows.extent(0), H = rows.extent(1), C = rows.extent(2);
  return {.x = heads(x),
          .rows = heads(rows.template reshape<4>({1, P, H, C})),
          .index = index.data(),
          .index_stride = index.extent(0) == 1 ? 0 : index.extent(1) * index.extent(2),
          .queries = index.extent(1),
          .keys = index.extent(2),
          .of_keys = who == scored::keys};
}

template <Scalar A, BaseDevice D>
void check_relative_scores(const Tensor<A, 4, D>& x, const Tensor<A, 3, D>& rows, const Tensor<i64, 3>& index,
                           scored who) {
  if (rows.extent(1) != x.extent(2) || rows.extent(2) != x.extent(3) ||
      index.extent(who == scored::keys ? 2 : 1) != x.extent(1) ||
      (index.extent(0) != 1 && index.extent(0) != x.extent(0)))
    throw shape_error("relative_scores", "", "x (B,T or S,H,D), rows (P,H,D), index (1 or B,T,S)",
                      joined(shape_text(x.shape()), ", ", shape_text(rows.shape()), ", ", shape_text(index.shape())));
  for (isize i = 0; i < index.size(); ++i)
    if (index.data()[i] >= rows.extent(0))
      throw value_error("relative_scores", "index", joined("below ", rows.extent(0), " (rows of the table)"),
                        joined(index.data()[i]));
}
}  // namespace detail

/// y(b,h,t,s) = x(b,t,h) . rows(index(b,t,s),h) of queries x (B,T,H,D), or x(b,s,h) . ... of keys (B,S,H,D): bias of
/// an attention. Where the index (1|B,T,S) is below 0 the bias is 0. Throws shape_error, value_error for an index
/// beyond the rows.
template <Scalar A, BaseDevice D>
Tensor<A, 4, D> relative_scores(const Tensor<A, 4, D>& x, const Tensor<A, 3, D>& rows, const Tensor<i64, 3>& index,
                                scored who) {
  const auto dense_index = index.dense();
  detail::check_relative_scores(x, rows, dense_index, who);
  const auto table = rows.dense();
  Tensor<A, 4, D> y({x.extent(0), x.extent(2), index.extent(1), index.extent(2)});
  relative_scores_kernel(D{}, y.data(), detail::make_relative_scores(x, table, dense_index, who));
  return y;
}

}  // namespace hft
