// StoredAngles: rotary positions whose sines and cosines a checkpoint has (Su et al. 2021, arXiv 2104.09864).
#pragma once
#include <hft/layers/context.hpp>
#include <hft/layers/rope_scaling.hpp>
#include <hft/module.hpp>
#include <hft/ops/embedding.hpp>

namespace hft {

struct StoredAnglesOptions {
  RopeScaling rope;  // whose layers turn by them
  isize rows;        // one for each position
};

/// A table that is not trained. Checkpoint name: its own.
/// (transformers.models.roformer.RoFormerSinusoidalPositionalEmbedding)
template <class B>
class StoredAngles {
 public:
  explicit StoredAngles(const StoredAnglesOptions& o)
      : table(decltype(table)::unallocated({o.rows, o.rope.dim()})), rope_(o.rope) {}

  /// Gives the layers of a pass the angles of its positions (B,T).
  template <class Context>
  void put(Context& context) const {
    const auto rows = embedding<typename B::activation>(context.position_ids, table);  // (B,T,R)
    const isize N = rows.extent(0) * rows.extent(1), R2 = rows.extent(2) / 2;
    const auto half = [&](isize from) { return rows.slice(2, from, from + R2).dense().template reshape<2>({N, R2}); };
    context.rotary->put(rope_, half(R2), half(0));
  }

  Tensor<typename B::activation, 2, typename B::base> table;  // (rows,R): sines, then cosines

 private:
  RopeScaling rope_;
};

}  // namespace hft
