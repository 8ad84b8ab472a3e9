// PermutedAttention: attention to relative positions in two streams, of contents and of what is asked for at some
// places. Yang et al. 2019, arXiv 1906.08237 (XLNet).
#pragma once
#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include <hft/layers/attention.hpp>
#include <hft/layers/channels.hpp>
#include <hft/linkage.hpp>
#include <hft/ops/combine_rows.hpp>
#include <hft/ops/concat_tokens.hpp>
#include <hft/ops/linear.hpp>
#include <hft/ops/relative_scores.hpp>

namespace hft {

struct PermutedAttentionOptions {
  AttentionOptions attention;
  bool causal = false;       // attn_type "uni"
  bool same_length = false;  // and a token does not see what stands before its place in all that is seen
  isize clamp = -1;          // distances beyond are this one; below 1: none are
  bool both_ways = false;    // whether the second half of a batch is read from its end
  isize mem_len = 0;         // how many tokens are remembered at most; 0: all
  isize reuse_len = 0;       // and of a pass so many of its first ones; 0: all
};

namespace detail {
/// Sinusoids of the distances 1-S, ..., S-1 (2S-1,C): sines, then cosines.
Tensor<f64, 2> distance_sinusoids(isize S, isize channels, isize clamp);
/// The row of each of the last T tokens' from each of S (B or 1,T,S).
Tensor<i64, 3> distance_rows(isize B, isize T, isize S, bool both_ways);
}  // namespace detail

/// x is the contents (B,T,C), and behind them where the context has a target_mapping (B,M,T) what stands for the M
/// places asked for. With a cache all see what it remembers of earlier passes' contents, too, and it remembers these
/// ("mems" of the layer's state: (B,S-T,C), of the first type, hidden by no mask). Weights are held in the activation
/// dtype whatever the model's weight dtype is. Checkpoint names: q, k, v, o, r, r_w_bias, r_r_bias, r_s_bias,
/// seg_embed. (transformers.XLNetRelativeAttention)
template <class B>
class PermutedAttention {
 public:
  using options = PermutedAttentionOptions;
  using A = typename B::activation;

  explicit PermutedAttention(const PermutedAttentionOptions& o) : core_(o.attention), options_(o) {
    const isize C = o.attention.hidden_size, H = o.attention.num_heads, D = o.attention.head_dim;
    for (auto* w : {&q, &k, &v, &this->o, &r}) *w = parameter3::unallocated({C, H, D});
    for (auto* b : {&r_w_bias, &r_r_bias, &r_s_bias}) *b = parameter2::unallocated({H, D});
    seg_embed = parameter3::unallocated({2, H, D});
  }

  /// (B,T+M,C) => (B,T+M,C)
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    const auto& mapping = context.target_mapping;  // (B,M,T)
    const isize M = mapping.extent(1), T = x.extent(1) - M;
    const X contents = M ? x.slice(1, 0, T).dense() : x;
    const X all = remembered(contents, context);  // (B,S,C)
    const X keys = times(all, k), values = times(all, v);
    const X seen = attend(times(contents, q), keys, values, context, true);
    if (!M) return back(seen);
    // Queries are brought to the places that they ask for, and what they see back.
    const X asked = times(x.slice(1, T, T + M).dense(), q);  // (B,M,N)
    const X found = mapped(attend(mapped(asked, mapping, true), keys, values, context, false), mapping, false);
    return back(concat_tokens(seen, found));
  }
  void visit(visitor& vis) {
    vis("q", q), vis("k", k), vis("v", v), vis("o", o), vis("r", r);
    vis("r_w_bias", r_w_bias), vis("r_r_bias", r_r_bias), vis("r_s_bias", r_s_bias);
    vis("seg_embed", seg_embed);
  }

  using parameter3 = typename B::template parameter<A, 3>;
  using parameter2 = typename B::template parameter<A, 2>;
  parameter3 q, k, v, o, r;                 // (C,H,D)
  parameter2 r_w_bias, r_r_bias, r_s_bias;  // (H,D)
  parameter3 seg_embed;                     // (2,H,D): of equal types, and of others

 private:
  isize inner() const { return core_.options().num_heads * core_.options().head_dim; }
  /// (rows,cols) => (cols,rows)
  template <class X2>
  static X2 transposed(const X2& x) {
    const isize rows = x.extent(0), cols = x.extent(1);
    return x.template reshape<3>({rows, cols, 1}).permute({1, 0, 2}).dense().template reshape<2>({cols, rows});
  }
  /// What the cache remembers, and behind it the contents (B,T,C), which it remembers, too => (B,S,C)
  template <class X, class Context>
  X remembered(const X& contents, Context& context) const {
    if constexpr (requires { context.cache; })
      if (context.cache) {
        auto& state = context.cache->state(core_.options().layer);
        const X mems = state.template get<3>("mems");
        const isize T = contents.extent(1), kept = options_.reuse_len ? std::min(T, options_.reuse_len) : T;
        const auto with = [&](const X& x) { return mems ? concat_tokens(mems, x) : x; };
        const X all = with(contents), made = kept == T ? all : with(contents.slice(1, 0, kept).dense());
        const isize S = made.extent(1), from = options_.mem_len ? std::max<isize>(0, S - options_.mem_len) : 0;
        state.set("mems", made.slice(1, from, S).dense());
        return all;
      }
    return contents;
  }
  // (B,T,C) => (B,T,H*D)
  template <class X>
  X times(const X& x, const parameter3& w) const {
    return linear(x, transposed(w.template reshape<2>({w.extent(0), inner()})));
  }
  template <class X>
  X back(const X& x) const {
    return linear(x, o.template reshape<2>({o.extent(0), inner()}));
  }

  /// From queries (B,M,N) to places (B,T,N), or back.
  template <class X, class Mapping>
  X mapped(const X& x, const Mapping& mapping, bool to_places) const {
    using rows_t = std::decay_t<decltype(x.template reshape<2>({1, 1}))>;
    using base = Tensor<A, 2, typename B::base>;
    const isize B_ = x.extent(0), n = x.extent(1), N = x.extent(2), M = mapping.extent(1), T = mapping.extent(2),
                to = to_places ? T : M;
    X all;
    for (isize b = 0; b < B_; ++b) {
      base weights({to, n});
      for (isize i = 0; i < to; ++i)
        for (isize j = 0; j < n; ++j)
          weights.data()[i * n + j] = A(mapping.data()[(b * M + (to_places ? j : i)) * T + (to_places ? i : j)]);
      const rows_t rows = x.slice(0, b, b + 1).dense().template reshape<2>({n, N});
      const X part = X(linear(rows_t(weights), transposed(rows)).template reshape<3>({1, to, N}));
      all = b ? concat_tokens(all, part) : part;
    }
    return all.template reshape<3>({B_, to, N});
  }

  template <class X, class Context>
  X attend(const X& queries, const X& keys, const X& values, Context& context, bool contents) const {
    const isize B_ = queries.extent(0), T = queries.extent(1), S = keys.extent(1), H = core_.options().num_heads,
                D = core_.options().head_dim;
    const f64 factor = *core_.options().scale;
    const auto heads = [&](const X& x) { return x.template reshape<4>({B_, x.extent(1), H, D}); };
    const auto with = [&](const parameter2& bias) {
      return heads(add_row(queries, bias.template reshape<1>({inner()})));
    };
    using rows_t = Tensor<A, 3, typename B::base>;
    const auto sinusoids = detail::distance_sinusoids(S, r.extent(0), options_.clamp);
    rows_t R({1, sinusoids.extent(0), sinusoids.extent(1)});
    std::copy_n(sinusoids.data(), sinusoids.size(), R.data());
    const auto table = times(X(R), r).template reshape<3>({R.extent(1), H, D});
    auto bias = relative_scores(scale(with(r_r_bias), factor), table,
                                detail::distance_rows(B_, T, S, options_.both_ways), scored::queries);
    if (const auto& types = context.token_type_ids) {
      const auto t = types.dense();
      Tensor<i64, 3> differ({B_, T, S});
      for (isize i = 0; i < differ.size(); ++i) {
        const isize b = i / (T * S), s = i % S - (S - T);
        differ.data()[i] = t.data()[b * T + i / S % T] != (s < 0 ? 0 : t.data()[b * T + s]);
      }
      bias = add(bias, relative_scores(scale(with(r_s_bias), factor), seg_embed, differ, scored::queries));
    }
    if (const auto hidden = mask(context, B_, T, S, H, contents); hidden) bias = add(bias, hidden);
    const auto outer = std::exchange(context.attention_bias, bias);
    const auto key_mask = std::exchange(context.key_mask, decltype(context.key_mask)());  // which the bias has
    const auto attended = [&] { return X(core_.attend(with(r_w_bias), heads(keys), heads(values), context)); };
    X y;
    if constexpr (requires { context.cache; }) {
      auto* const cache = std::exchange(context.cache, nullptr);  // it has no keys
      y = attended();
      context.cache = cache;
    } else {
      y = attended();
    }
    context.attention_bias = outer, context.key_mask = key_mask;
    return y;
  }

  /// -1e30 where a query does not see a key (B,H,T,S); empty where all see all. Contents always see themselves.
  template <class Context>
  Tensor<A, 4, typename B::base> mask(const Context& context, isize B_, isize T, isize S, isize H,
                                      bool contents) const {
    const auto keys = dense_or_empty(context.key_mask);       // (B,T)
    const auto pairs = dense_or_empty(context.hidden_pairs);  // (B,T,T)
    if (!keys && !pairs && !options_.causal) return {};
    Tensor<A, 4, typename B::base> y({B_, H, T, S});
    for (isize i = 0; i < y.size(); ++i) {
      const isize key = i % S, s = key - (S - T), t = i / S % T, b = i / (T * S * H);
      bool hidden = options_.causal && (s > t || (options_.same_length && key < t));
      if (keys && s >= 0) hidden = hidden || !keys.data()[b * T + s];
      if (pairs && s >= 0) hidden = hidden || pairs.data()[(b * T + t) * T + s] > 0;
      y.data()[i] = hidden && !(contents && s == t) ? A(-1e30) : A(0);
    }
    return y;
  }

  AttentionCore<B, no_positions> core_;
  PermutedAttentionOptions options_;
};

#if HFT_DEFINES(MODELS)

HFT_INLINE Tensor<f64, 2> detail::distance_sinusoids(isize S, isize channels, isize clamp) {
  Tensor<f64, 2> y({2 * S - 1, channels});
  const isize half = channels / 2;
  for (isize r = 0; r < 2 * S - 1; ++r) {
    const isize d = clamp > 0 ? std::clamp(r - (S - 1), -clamp, clamp) : r - (S - 1);
    for (isize i = 0; i < half; ++i) {
      const f64 angle = f64(d) * std::pow(10000.0, -2 * f64(i) / f64(channels));
      y.data()[r * channels + i] = std::sin(angle), y.data()[r * channels + half + i] = std::cos(angle);
    }
  }
  return y;
}

HFT_INLINE Tensor<i64, 3> detail::distance_rows(isize B, isize T, isize S, bool both_ways) {
  const isize rows = both_ways ? B : 1;
  Tensor<i64, 3> index({rows, T, S});
  for (isize i = 0; i < index.size(); ++i) {
    const isize s = i % S - (S - T), t = i / S % T, b = i / (T * S), d = both_ways && 2 * b >= B ? s - t : t - s;
    index.data()[i] = d + S - 1;
  }
  return index;
}

#endif  // HFT_DEFINES

}  // namespace hft
