// Embedding: a table of rows, looked up by id.
#pragma once
#include <hft/layers/build.hpp>
#include <hft/module.hpp>
#include <hft/ops/embedding.hpp>

namespace hft {

/// torch.nn.Embedding: weight (num, dim). Checkpoint name: weight.
template <class B>
class Embedding {
 public:
  Embedding(isize num, isize dim) : weight(decltype(weight)::unallocated({num, dim})) {}

  /// (B,T) ids => (B,T,C); throws value_error for an id outside the table.
  auto operator()(const Tensor<i64, 2>& ids) const { return embedding<typename B::activation>(ids, weight); }

  void visit(visitor& v) { v("weight", weight); }

  Tensor<typename B::embedding_weight, 2, typename B::base> weight;  // (num, dim)
};

}  // namespace hft
