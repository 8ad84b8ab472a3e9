// Self-attention: projections to queries, keys and values, positions, cache, attention, projection back.
#pragma once
#include <algorithm>
#include <cmath>
#include <optional>
#include <type_traits>
#include <vector>

#include <hft/layers/attention_options.hpp>
#include <hft/layers/context.hpp>
#include <hft/layers/linear.hpp>
#include <hft/layers/masked_tokens.hpp>
#include <hft/layers/norm.hpp>
#include <hft/layers/positions.hpp>
#include <hft/ops/activation.hpp>
#include <hft/ops/attention.hpp>
#include <hft/ops/attention_weights.hpp>
#include <hft/ops/clamp.hpp>
#include <hft/ops/concat_tokens.hpp>
#include <hft/ops/mask_tokens.hpp>

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

/// Where each row's chunks of keys begin, by the first of all keys that its mask (B,S) shows, among those from `first`
/// on; empty where that is the first of them.
template <BaseDevice D>
Tensor<i64, 1, D> chunk_starts(const Tensor<u8, 2, D>& mask, isize rows, isize first) {
  if (!mask && !first) return {};
  auto starts = Tensor<i64, 1>::filled({rows}, -first);
  if (mask) {
    const auto shown = to_host(mask).dense();
    const isize S = shown.extent(1);
    for (isize b = 0; b < rows; ++b)
      starts.data()[b] += std::find_if(shown.data() + b * S, shown.data() + (b + 1) * S, [](u8 x) { return x != 0; }) -
                          (shown.data() + b * S);
  }
  return to_device<D>(starts);
}

}  // namespace detail

/// The middle of self-attention, which every architecture shares: splits heads, applies positions, takes keys and
/// values through the cache, attends, and merges heads again. It holds no weights; a layer that has sinks (H) gives
/// them.
template <class B, class Positions>
class AttentionCore {
 public:
  using sinks_t = typename B::template parameter<typename B::activation, 1>;
  struct as_it_is {
    template <class Heads>
    void operator()(Heads&, Heads&) const {}
  };

  explicit AttentionCore(const AttentionOptions& o)
      : options_(o), positions_(o), slopes_(positions_.template slopes<typename B::base>()) {}

  /// q (B,T,H*D), k and v (B,T,Hk*D) => (B,T,H*D). `placed` may change queries and keys (B,T,H|Hk,D) that have their
  /// positions.
  template <class X, class Context, class Placed>
  X operator()(const X& q, const X& k, const X& v, Context& context, const Placed& placed,
               const sinks_t& sinks = {}) const {
    const isize B_ = q.extent(0), T = q.extent(1), H = options_.num_heads, Hk = options_.num_kv_heads,
                C = options_.head_dim;
    return attend(q.template reshape<4>({B_, T, H, C}), k.template reshape<4>({B_, T, Hk, C}),
                  v.template reshape<4>({B_, T, Hk, C}), context, placed, sinks);
  }

  /// q (B,T,H,D), k (B,T,Hk,D), v (B,T,Hk,Dv) => (B,T,H*Dv)
  template <class Heads, class Context, class Placed = as_it_is>
  auto attend(const Heads& q, const Heads& k, Heads values, Context& context, const Placed& placed = {},
              const sinks_t& sinks = {}) const {
    const isize B_ = q.extent(0), T = q.extent(1);
    auto [query, keys] = positions_.apply(q, k, context);
    placed(query, keys);
    if (options_.temperature) query = sharpened(query, context);
    if (options_.rotary_values) values = positions_.apply(values, values, context).first;
    isize first = 0;
    if constexpr (requires { context.cache; })
      if (context.cache) {
        const auto kept = context.cache->update(options_.layer, keys, values);  // (B,S,Hk,D)
        keys = kept.keys, values = kept.values, first = kept.first;
      }
    auto args = detail::attention_args(options_, context);
    args.alibi = slopes_;
    if (context.key_mask) args.key_mask = context.key_mask.slice(1, first, first + keys.extent(1));
    if (options_.visible.chunk) args.chunk_starts = detail::chunk_starts(context.key_mask, B_, first);
    auto bias = context.attention_bias;
    if (bias && bias.extent(3) > keys.extent(1)) bias = bias.slice(3, first, first + keys.extent(1));
    if (context.attentions)
      context.attentions->push_back(attention_weights(detail::untracked(query), detail::untracked(keys), args,
                                                      detail::untracked(bias), detail::untracked(sinks)));
    auto y = attention(query, keys, values, args, bias, sinks)
                 .template reshape<3>({B_, T, options_.num_heads * values.extent(3)});
    return context.padding_sees_nothing && args.key_mask ? mask_tokens(y, args.key_mask) : y;
  }

  const AttentionOptions& options() const { return options_; }

 private:
  // Queries as TemperatureOptions say.
  template <class Heads, class Context>
  Heads sharpened(const Heads& q, const Context& context) const {
    const auto [step, strength] = *options_.temperature;
    const isize B_ = q.extent(0), T = q.extent(1), N = q.extent(2) * q.extent(3);
    if (context.key_length < step) return q;
    std::vector<f32> factors;
    for (isize i = 0; i < B_ * T; ++i)
      factors.push_back(f32(1 + strength * std::log1p(f64((context.key_length - T + i % T + 1) / step))));
    return scale_tokens<B>(q.dense().template reshape<3>({B_, T, N}), factors).template reshape<4>(q.shape());
  }

  AttentionOptions options_;
  Positions positions_;
  Tensor<f32, 1, typename B::base> slopes_;  // ALiBi's
};

namespace detail {

/// Weights of heads, which each has of its own: one parameter, or one for each.
template <class B>
struct head_weights {
  head_weights(const QKNormOptions& o, isize heads, isize head_dim) {
    if (o.weight_of_heads) weight = decltype(weight)::unallocated({heads, head_dim});
    for (isize h = 0; o.weights_apart && h < heads; ++h)
      norms.push_back({decltype(one_head::weight)::unallocated({head_dim})});
  }
  /// (B,T,H*D), times them where there are some
  template <class X>
  X operator()(const X& y) const {
    if (norms.empty()) return weight ? mul_rows(y, weight.template reshape<1>({y.extent(2)})) : y;
    auto all = norms[0].row();
    for (std::size_t h = 1; h < norms.size(); ++h) all = concat_tokens(all, norms[h].row());  // (1,H,D)
    return mul_rows(y, all.template reshape<1>({y.extent(2)}));
  }
  void visit(visitor& v) {
    if (weight.extent(0)) v("weight", weight);
    v("norms", norms);
  }

  struct one_head {
    typename B::template parameter<typename B::activation, 1> weight;  // (D)
    auto row() const { return weight.template reshape<3>({1, 1, weight.extent(0)}); }
    void visit(visitor& v) { v("weight", weight); }
  };
  typename B::template parameter<typename B::activation, 2> weight;  // (H,D), or empty
  std::vector<one_head> norms;                                       // a row of it each, or none
};
struct no_head_weights {
  no_head_weights(const QKNormOptions&, isize, isize) {}
  template <class X>
  const X& operator()(const X& y) const {
    return y;
  }
  void visit(visitor&) {}
};

}  // namespace detail

/// The norm of a projection's heads, as QKNormOptions say. Checkpoint names: those of the norm, or a weight of all
/// heads.
template <template <class> class Norm, class B>
class HeadNorm {
 public:
  HeadNorm(const QKNormOptions& o, isize heads, isize head_dim)
      : norm({.size = o.per_head ? head_dim : heads * head_dim,
              .eps = o.eps,
              .bias = o.bias,
              .weight = o.weight && !o.weight_of_heads && !o.weights_apart,
              .weight_from_zero = o.weight_from_zero}),
        weights(o, heads, head_dim),
        heads_(o.per_head ? heads : 1) {}

  /// (B,T,H*D) => (B,T,H*D)
  template <class X>
  X operator()(const X& x) const {
    const isize N = x.extent(2) / heads_;
    return weights(norm(x.template reshape<4>({x.extent(0), x.extent(1), heads_, N})).template reshape<3>(x.shape()));
  }
  /// (B,T,H,D) => (B,T,H,D)
  template <class Heads>
  Heads of_heads(const Heads& x) const {
    return (*this)(x.template reshape<3>({x.extent(0), x.extent(1), x.extent(2) * x.extent(3)}))
        .template reshape<4>(x.shape());
  }
  void visit(visitor& v) {
    norm.visit(v);
    weights.visit(v);
  }

  // Heads have weights of their own where norms are LayerNorm.
  static constexpr bool weighs = requires(const Norm<B>& n) { n.bias; };

  Norm<B> norm;
  [[no_unique_address]] std::conditional_t<weighs, detail::head_weights<B>, detail::no_head_weights> weights;

 private:
  isize heads_;
};

/// Grouped-query self-attention with the member names of Llama and most decoders after it: q_proj, k_proj, v_proj,
/// o_proj, where queries and keys are normalised q_norm, k_norm, where what o_proj sees is sub_norm, where there are
/// some sinks, and where files have frequencies rotary_embeddings.inv_freq. Positions: rope, alibi, no_positions, or a
/// type like them (layers/positions.hpp). QKNorm: of q_norm and k_norm.
template <class B, class Positions, template <class> class QKNorm = RMSNorm>
class SelfAttention {
 public:
  using linear_t = typename B::column_linear;

  [[gnu::cold]] explicit SelfAttention(const AttentionOptions& o)
      : q_proj(o.hidden_size, (o.output_gate ? 2 : 1) * o.num_heads * o.head_dim, o.bias),
        k_proj(o.hidden_size, o.num_kv_heads * o.head_dim, o.bias),
        v_proj(o.hidden_size, o.num_kv_heads * o.head_dim, o.bias),
        o_proj(o.num_heads * o.head_dim, o.hidden_size, o.output_bias),
        core_(o) {
    if (o.sinks) sinks = decltype(sinks)::unallocated({o.num_heads});
    if (o.stored_frequencies && o.rope) inv_freq = decltype(inv_freq)::unallocated({o.rope->dim() / 2});
    if (o.sub_norm) sub_norm.emplace(NormOptions{.size = o.num_heads * o.head_dim, .eps = *o.sub_norm});
    if (!o.qk_norm) return;
    q_norm.emplace(*o.qk_norm, o.num_heads, o.head_dim);
    k_norm.emplace(*o.qk_norm, o.num_kv_heads, o.head_dim);
  }

  /// (B,T,C) => (B,T,C)
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    if (inv_freq.extent(0)) context.rotary->use({inv_freq.data(), inv_freq.data() + inv_freq.size()});
    auto [q, k, v] = project(x, q_proj, k_proj, v_proj);
    X gate;
    if (core_.options().output_gate) {
      const isize H = core_.options().num_heads, C = core_.options().head_dim;
      const auto heads = q.template reshape<4>({q.extent(0), q.extent(1), H, 2 * C});
      const auto half = [&](isize from) {
        return heads.slice(3, from, from + C).dense().template reshape<3>({x.extent(0), x.extent(1), H * C});
      };
      gate = half(C), q = half(0);
    }
    const bool late = q_norm && core_.options().qk_norm->after_positions;
    if (q_norm && !late) q = (*q_norm)(q), k = (*k_norm)(k);
    if (const auto limit = core_.options().clip_qkv)
      for (X* y : {&q, &k, &v}) *y = clamp(*y, -*limit, *limit);
    const auto placed = [&](auto& query, auto& keys) {
      if (late) query = q_norm->of_heads(query), keys = k_norm->of_heads(keys);
    };
    const X y = core_(q, k, v, context, placed, sinks);
    const X seen = gate ? gated(gate, y, Activation::sigmoid) : y;
    return o_proj(sub_norm ? (*sub_norm)(seen) : seen);
  }

  void visit(visitor& v) {
    v("q_proj", q_proj);
    v("k_proj", k_proj);
    v("v_proj", v_proj);
    v("o_proj", o_proj);
    v("q_norm", q_norm);
    v("k_norm", k_norm);
    v("sub_norm", sub_norm);
    if (sinks.extent(0)) v("sinks", sinks);
    if (inv_freq.extent(0)) v("rotary_embeddings.inv_freq", inv_freq);
  }

  linear_t q_proj, k_proj, v_proj;
  typename B::row_linear o_proj;
  std::optional<HeadNorm<QKNorm, B>> q_norm, k_norm;
  std::optional<RMSNorm<B>> sub_norm;
  typename B::template parameter<typename B::activation, 1> sinks;  // (H), or empty
  Tensor<f32, 1, typename B::base> inv_freq;  // of rope, not trained; empty: as its parameters say

 private:
  AttentionCore<B, Positions> core_;
};

HFT_COMPILED_IN(MODELS, Tensor<i64, 1> detail::chunk_starts(const Tensor<u8, 2>&, isize, isize))

}  // namespace hft
