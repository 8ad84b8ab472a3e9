// Linear attention with a decay, as MiniMax has it.
#pragma once
#include <cmath>
#include <vector>

#include <hft/layers/attention.hpp>
#include <hft/layers/carried_state.hpp>
#include <hft/ops/activation.hpp>
#include <hft/ops/decay_attention.hpp>

namespace hft {

/// A gated sum over the past in the place of a softmax, as AttentionOptions::decay says; a cache keeps its state.
/// MiniMax 2025, arXiv 2501.08313. Checkpoint names: qkv_proj, whose rows are each head's query, key and value,
/// output_gate, norm, out_proj.
template <class B>
class DecayAttention {
 public:
  /// Throws value_error without options of it.
  explicit DecayAttention(const AttentionOptions& o)
      : qkv_proj(o.hidden_size, 3 * o.num_heads * o.head_dim, o.bias),
        output_gate(o.hidden_size, o.num_heads * o.head_dim, o.bias),
        norm({.size = o.num_heads * o.head_dim, .eps = decay(o).eps}),
        out_proj(o.num_heads * o.head_dim, o.hidden_size, o.output_bias),
        options_(o) {
    std::vector<A> decays;
    for (isize h = 1; h <= o.num_heads; ++h)
      decays.push_back(A(std::exp(-std::exp2(-8 * f64(h) / f64(o.num_heads)) * decay(o).factor)));
    decays_ = decltype(decays_)::from(decays, {o.num_heads});
  }

  /// (B,T,C) => (B,T,C)
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    const isize B_ = x.extent(0), T = x.extent(1), H = options_.num_heads, D = options_.head_dim;
    // Padding adds nothing to the sum.
    const X qkv = detail::without_padding(activate(qkv_proj(x), options_.decay->activation), context.key_mask);
    const auto heads = qkv.template reshape<4>({B_, T, H, 3 * D});
    const auto q = heads.slice(3, 0, D), k = heads.slice(3, D, 2 * D), v = heads.slice(3, 2 * D, 3 * D);
    auto* kept = detail::kept_state<B>(context, options_.layer);
    const auto [y, last] =
        decay_attention(q, k, v, decays_, kept ? kept->template get<4>("state") : Tensor<A, 4, typename B::base>());
    if (kept) kept->set("state", last), kept->tokens += T;
    return out_proj(gated(output_gate(x), norm(y.template reshape<3>({B_, T, H * D})), Activation::sigmoid));
  }

  void visit(visitor& v) {
    v("qkv_proj", qkv_proj);
    v("output_gate", output_gate);
    v("norm", norm);
    v("out_proj", out_proj);
  }

  typename B::column_linear qkv_proj, output_gate;
  RMSNorm<B> norm;
  typename B::row_linear out_proj;

 private:
  using A = typename B::activation;
  static const DecayOptions& decay(const AttentionOptions& o) {
    if (!o.decay) throw value_error("DecayAttention", "AttentionOptions::decay", "its options", "none");
    return *o.decay;
  }

  AttentionOptions options_;
  Tensor<A, 1, typename B::base> decays_;  // (H)
};

}  // namespace hft
