// Embedding: a table of rows, looked up by id.
#pragma once
#include <optional>

#include <hft/layers/build.hpp>
#include <hft/module.hpp>
#include <hft/ops/embedding.hpp>

namespace hft {

/// torch.nn.Embedding: weight (num, dim). Checkpoint name: weight. The row of `padding_idx` is looked up as any other,
/// but gets no gradient.
template <class B>
class Embedding {
 public:
  Embedding(isize num, isize dim, std::optional<i64> padding_idx = {})
      : weight(decltype(weight)::unallocated({num, dim})), padding_idx_(padding_idx.value_or(-1)) {}

  /// (B,T) ids => (B,T,C); throws value_error for an id outside the table.
  typename B::template tensor<3> operator()(const Tensor<i64, 2>& ids) const {
    if constexpr (decltype(weight)::device::tracked)
      return embedding<typename B::activation>(ids, weight, padding_idx_);
    else
      return embedding<typename B::activation>(ids, weight);
  }

  void visit(visitor& v) { v("weight", weight); }

  typename B::template parameter<typename B::embedding_weight, 2> weight;  // (num, dim)

 private:
  i64 padding_idx_;
};

}  // namespace hft
