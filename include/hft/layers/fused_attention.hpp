// Self-attention whose queries, keys and values come from one projection.
#pragma once
#include <hft/layers/attention.hpp>

namespace hft {

/// Grouped-query self-attention with the member names qkv_proj, whose rows are those of the queries, the keys and the
/// values, one after the other (Phi-3, and GPT-2 by other names), and o_proj. Positions: as of SelfAttention.
template <class B, class Positions>
class FusedSelfAttention {
 public:
  explicit FusedSelfAttention(const AttentionOptions& o)
      : qkv_proj(o.hidden_size, (o.num_heads + 2 * o.num_kv_heads) * o.head_dim, o.bias),
        o_proj(o.num_heads * o.head_dim, o.hidden_size, o.output_bias),
        core_(o) {}

  /// (B,T,C) => (B,T,C)
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    const auto& o = core_.options();
    const isize Q = o.num_heads * o.head_dim, K = o.num_kv_heads * o.head_dim;
    const X qkv = qkv_proj(x);  // (B,T,Q+2K)
    return o_proj(core_(qkv.slice(2, 0, Q), qkv.slice(2, Q, Q + K), qkv.slice(2, Q + K, Q + 2 * K), context));
  }

  void visit(visitor& v) {
    v("qkv_proj", qkv_proj);
    v("o_proj", o_proj);
  }

  typename B::column_linear qkv_proj;
  typename B::row_linear o_proj;

 private:
  AttentionCore<B, Positions> core_;
};

}  // namespace hft
