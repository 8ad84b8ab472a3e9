// Self-attention whose queries, keys and values come from one projection.
#pragma once
#include <hft/layers/attention.hpp>
#include <hft/ops/clamp.hpp>

namespace hft {

/// Grouped-query self-attention with the member names qkv_proj, whose rows lie as AttentionOptions::qkv says, and
/// o_proj. Positions: as of SelfAttention.
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
    const isize B_ = x.extent(0), T = x.extent(1), C = o.head_dim, G = o.qkv.groups;
    const isize q = o.num_heads / G, k = o.num_kv_heads / G, n = q + 2 * k;  // a group's heads
    X qkv = qkv_proj(x);                                                     // (B,T,(H+2Hk)*D)
    if (o.clip_qkv) qkv = clamp(qkv, -*o.clip_qkv, *o.clip_qkv);
    // Where a group has several heads of a kind, and there are several groups, they lie at unequal distances.
    const auto heads = [&, groups = qkv.template reshape<5>({B_, T, G, n, C})](isize from, isize count) {
      const auto part = groups.slice(3, from, from + count);  // (B,T,G,count,D)
      return (G == 1 || count == 1 ? part : part.dense()).template reshape<4>({B_, T, G * count, C});
    };
    const bool swapped = o.qkv.values_before_keys;
    return o_proj(core_.attend(heads(0, q), heads(swapped ? q + k : q, k), heads(swapped ? q : q + k, k), context));
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
