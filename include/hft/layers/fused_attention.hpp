// Self-attention whose queries, keys and values are one projection, as GPT-2, Falcon and Phi-3 store them.
#pragma once
#include <hft/layers/attention.hpp>

namespace hft {

/// qkv_proj gives queries, keys and values one behind another. Checkpoint names: qkv_proj, o_proj.
template <class B, class Positions>
class FusedSelfAttention {
 public:
  using positions = Positions;

  explicit FusedSelfAttention(const AttentionOptions& o)
      : qkv_proj(o.hidden_size, (o.num_heads + 2 * o.num_kv_heads) * o.head_dim, o.bias),
        o_proj(o.num_heads * o.head_dim, o.hidden_size, o.output_bias),
        options_(o),
        slopes_(Positions::template slopes<typename B::base>(o.num_heads)) {}

  /// (B,T,C) => (B,T,C)
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    const auto qkv = qkv_proj(x);  // (B,T,(H+2*Hk)*D)
    const isize q = options_.num_heads * options_.head_dim, k = options_.num_kv_heads * options_.head_dim;
    return o_proj(attend<Positions>(qkv.slice(2, 0, q), qkv.slice(2, q, q + k), qkv.slice(2, q + k, q + 2 * k),
                                    options_, slopes_, context));
  }

  void visit(visitor& v) {
    v("qkv_proj", qkv_proj);
    v("o_proj", o_proj);
  }

  typename B::linear qkv_proj, o_proj;

 private:
  AttentionOptions options_;
  Tensor<f32, 1, typename B::base> slopes_;  // ALiBi's
};

}  // namespace hft
