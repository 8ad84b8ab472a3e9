// Self-attention: projections to queries, keys and values, positions, cache, attention, projection back.
#pragma once
#include <cmath>

#include <hft/layers/attention_options.hpp>
#include <hft/layers/context.hpp>
#include <hft/layers/linear.hpp>
#include <hft/layers/norm.hpp>
#include <hft/layers/positions.hpp>
#include <hft/ops/attention.hpp>
#include <hft/ops/attention_weights.hpp>

namespace hft {

namespace detail {

/// The values of a tensor, on the device beneath.
template <class X>
const auto& untracked(const X& x) {
  if constexpr (X::device::tracked)
    return x.value();
  else
    return x;
}

/// The arguments of the attention op that a layer's options and the pass say.
template <class Context>
AttentionArgs<typename Context::base> attention_args(const AttentionOptions& o, Context& context) {
  AttentionArgs<typename Context::base> args;
  args.scale = o.scale.value_or(1 / std::sqrt(f64(o.head_dim)));
  args.visible = o.visible;
  args.softcap = o.softcap;
  if constexpr (requires { context.training; })
    if (context.training && o.dropout > 0) args.dropout = context.dropout.next(o.dropout);
  return args;
}

}  // namespace detail

/// The middle of self-attention, which every architecture shares: splits heads, applies positions, takes keys and
/// values through the cache, attends, and merges heads again. It holds no weights.
template <class B, class Positions>
class AttentionCore {
 public:
  explicit AttentionCore(const AttentionOptions& o)
      : options_(o), positions_(o), slopes_(positions_.template slopes<typename B::base>()) {}

  /// q (B,T,H*D), k and v (B,T,Hk*D) => (B,T,H*D)
  template <class X, class Context>
  X operator()(const X& q, const X& k, const X& v, Context& context) const {
    const isize B_ = q.extent(0), T = q.extent(1), H = options_.num_heads, Hk = options_.num_kv_heads,
                C = options_.head_dim;
    auto [query, keys] =
        positions_.apply(q.template reshape<4>({B_, T, H, C}), k.template reshape<4>({B_, T, Hk, C}), context);
    auto values = v.template reshape<4>({B_, T, Hk, C});
    isize first = 0;
    if constexpr (requires { context.cache; })
      if (context.cache) {
        const auto kept = context.cache->update(options_.layer, keys, values);  // (B,S,Hk,D)
        keys = kept.keys, values = kept.values, first = kept.first;
      }
    auto args = detail::attention_args(options_, context);
    args.alibi = slopes_;
    if (context.key_mask) args.key_mask = context.key_mask.slice(1, first, first + keys.extent(1));
    auto bias = context.attention_bias;
    if (bias && bias.extent(3) > keys.extent(1)) bias = bias.slice(3, first, first + keys.extent(1));
    if (context.attentions)
      context.attentions->push_back(
          attention_weights(detail::untracked(query), detail::untracked(keys), args, detail::untracked(bias)));
    return attention(query, keys, values, args, bias).template reshape<3>({B_, T, H * C});
  }

  const AttentionOptions& options() const { return options_; }

 private:
  AttentionOptions options_;
  Positions positions_;
  Tensor<f32, 1, typename B::base> slopes_;  // ALiBi's
};

/// Grouped-query self-attention with the member names of Llama and most decoders after it: q_proj, k_proj, v_proj,
/// o_proj, and where queries and keys are normalised q_norm, k_norm. Positions: rope, alibi, no_positions, or a type
/// like them (layers/positions.hpp).
template <class B, class Positions>
class SelfAttention {
 public:
  using linear_t = typename B::column_linear;

  explicit SelfAttention(const AttentionOptions& o)
      : q_proj(o.hidden_size, o.num_heads * o.head_dim, o.bias),
        k_proj(o.hidden_size, o.num_kv_heads * o.head_dim, o.bias),
        v_proj(o.hidden_size, o.num_kv_heads * o.head_dim, o.bias),
        o_proj(o.num_heads * o.head_dim, o.hidden_size, o.output_bias),
        core_(o) {
    if (!o.qk_norm) return;
    const isize D = o.head_dim;
    q_norm.emplace(NormOptions{.size = o.qk_norm->per_head ? D : D * o.num_heads, .eps = o.qk_norm->eps});
    k_norm.emplace(NormOptions{.size = o.qk_norm->per_head ? D : D * o.num_kv_heads, .eps = o.qk_norm->eps});
  }

  /// (B,T,C) => (B,T,C)
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    const auto [q, k, v] = project(x, q_proj, k_proj, v_proj);
    return o_proj(q_norm ? core_(normed(*q_norm, q), normed(*k_norm, k), v, context) : core_(q, k, v, context));
  }

  void visit(visitor& v) {
    v("q_proj", q_proj);
    v("k_proj", k_proj);
    v("v_proj", v_proj);
    v("o_proj", o_proj);
    v("q_norm", q_norm);
    v("k_norm", k_norm);
  }

  linear_t q_proj, k_proj, v_proj;
  typename B::row_linear o_proj;
  std::optional<RMSNorm<B>> q_norm, k_norm;

 private:
  // Over the last N elements, N the norm's size: of (B,T,H*D) either a head's or all.
  template <class X>
  static X normed(const RMSNorm<B>& norm, const X& x) {
    const isize N = norm.weight.extent(0), heads = x.extent(2) / N;
    return norm(x.template reshape<4>({x.extent(0), x.extent(1), heads, N})).template reshape<3>(x.shape());
  }

  AttentionCore<B, Positions> core_;
};

}  // namespace hft
