// Self-attention or a recurrent layer in its place, as MiniMax, Qwen3-Next, Jamba and Griffin have them by turns.
#pragma once
#include <optional>

#include <hft/layers/attention.hpp>

namespace hft {

/// Self-attention, or where its options say so (AttentionOptions::recurrent) the other: one type for layers of either
/// kind. Checkpoint names: its own.
template <class B, class Positions, class Recurrent>
class HybridAttention {
 public:
  explicit HybridAttention(const AttentionOptions& o) {
    if (o.recurrent())
      recurrent.emplace(o);
    else
      full.emplace(o);
  }

  /// (B,T,C) => (B,T,C)
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    return recurrent ? (*recurrent)(x, context) : (*full)(x, context);
  }
  void visit(visitor& v) {
    if (recurrent)
      recurrent->visit(v);
    else
      full->visit(v);
  }

  std::optional<SelfAttention<B, Positions>> full;
  std::optional<Recurrent> recurrent;
};

}  // namespace hft
