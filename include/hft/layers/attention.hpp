// Self-attention: projections to queries, keys and values, positions, cache, attention, projection back.
#pragma once
#include <cmath>
#include <optional>

#include <hft/layers/context.hpp>
#include <hft/layers/linear.hpp>
#include <hft/layers/norm.hpp>
#include <hft/ops/attention.hpp>

namespace hft {

struct AttentionOptions {
  isize hidden_size;
  isize num_heads;
  isize num_kv_heads;
  isize head_dim;
  isize layer = 0;    // its place in the cache
  bool bias = false;  // of the query, key and value projections
  bool output_bias = false;
  visibility visible = {};        // causal unless said otherwise
  std::optional<f64> scale = {};  // of the scores; default 1 / sqrt(head_dim)
  f64 softcap = 0;                // scores become softcap * tanh(score / softcap); 0: none
  f64 dropout = 0;                // of the weights, in a training pass
};

/// Throws config_error unless the heads fit each other. `where` names the config.
inline void check_heads(const AttentionOptions& o, const char* where) {
  if (o.num_heads < 1 || o.num_kv_heads < 1 || o.num_heads % o.num_kv_heads)
    throw config_error(where, "attention heads", "num_key_value_heads to divide num_attention_heads",
                       detail::joined(o.num_kv_heads, " and ", o.num_heads));
  if (o.head_dim < 1) throw config_error(where, "head_dim", "at least 1", detail::joined(o.head_dim));
}

/// The middle of self-attention, which every architecture shares: splits heads, applies positions, takes keys and
/// values through the cache, attends, and merges heads again.
///   q (B,T,H*D), k and v (B,T,Hk*D) => (B,T,H*D)
template <class Positions, class X, class Context>
X attend(const X& q, const X& k, const X& v, const AttentionOptions& o,
         const Tensor<f32, 1, typename Context::base>& slopes, Context& context) {
  const isize B = q.extent(0), T = q.extent(1), H = o.num_heads, Hk = o.num_kv_heads, C = o.head_dim;
  auto [query, keys] =
      Positions::apply(q.template reshape<4>({B, T, H, C}), k.template reshape<4>({B, T, Hk, C}), context);
  auto values = v.template reshape<4>({B, T, Hk, C});
  if constexpr (requires { context.cache; })
    if (context.cache) std::tie(keys, values) = context.cache->update(o.layer, keys, values);  // (B,S,Hk,D)

  AttentionArgs<typename Context::base> args;
  args.scale = o.scale.value_or(1 / std::sqrt(f64(C)));
  args.visible = o.visible;
  args.softcap = o.softcap;
  args.alibi = slopes;
  if constexpr (requires { context.training; })
    if (context.training && o.dropout > 0) args.dropout = context.dropout.next(o.dropout);
  if (context.key_mask) {  // a sliding cache has forgotten the first keys
    const isize S = context.key_mask.extent(1);
    args.key_mask = context.key_mask.slice(1, S - keys.extent(1), S);
  }
  return attention(query, keys, values, args).template reshape<3>({B, T, H * C});
}

/// Grouped-query self-attention with the member names of Llama and most decoders after it: q_proj, k_proj, v_proj,
/// o_proj. Positions: rope, alibi, no_positions, or a type like them (layers/positions.hpp).
template <class B, class Positions>
class SelfAttention {
 public:
  using positions = Positions;
  using linear_t = typename B::linear;

  explicit SelfAttention(const AttentionOptions& o)
      : q_proj(o.hidden_size, o.num_heads * o.head_dim, o.bias),
        k_proj(o.hidden_size, o.num_kv_heads * o.head_dim, o.bias),
        v_proj(o.hidden_size, o.num_kv_heads * o.head_dim, o.bias),
        o_proj(o.num_heads * o.head_dim, o.hidden_size, o.output_bias),
        options_(o),
        slopes_(Positions::template slopes<typename B::base>(o.num_heads)) {}

  /// (B,T,C) => (B,T,C)
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    const auto [q, k, v] = project(x, q_proj, k_proj, v_proj);
    return o_proj(attend<Positions>(q, k, v, options_, slopes_, context));
  }

  void visit(visitor& v) {
    v("q_proj", q_proj);
    v("k_proj", k_proj);
    v("v_proj", v_proj);
    v("o_proj", o_proj);
  }

  linear_t q_proj, k_proj, v_proj, o_proj;

 private:
  AttentionOptions options_;
  Tensor<f32, 1, typename B::base> slopes_;  // ALiBi's
};

}  // namespace hft
