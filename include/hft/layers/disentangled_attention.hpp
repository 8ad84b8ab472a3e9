// DisentangledAttention: contents that attend to relative positions, and positions that attend to contents. He et al.
// 2020, arXiv 2006.03654 (DeBERTa); with one table for both kinds and buckets of distances, arXiv 2111.09543.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include <hft/layers/attention.hpp>
#include <hft/layers/linear.hpp>
#include <hft/linkage.hpp>
#include <hft/ops/combine_rows.hpp>
#include <hft/ops/mask_tokens.hpp>
#include <hft/ops/relative_scores.hpp>
#include <hft/ops/softmax.hpp>

namespace hft {

/// Rows of the table of relative positions.
struct RelativePlaces {
  isize reach;             // distances from -reach to reach - 1 have rows, those beyond share the outermost
  isize buckets = 0;       // 0: each distance has a row; else this many for each direction
  isize max_distance = 0;  // of buckets: from here on distances share one
  bool cut = false;  // whether a text shorter than the reach has the table's middle alone (DeBERTa's first version)
};

/// The row (1,T,T) for each query and key, which depends on the distance from key to query.
Tensor<i64, 3> relative_places(const RelativePlaces& places, isize tokens);
/// The same (B,T,T) of the queries that a mask (B,T) shows; -1, for none, of others.
Tensor<i64, 3> places_of_shown(const Tensor<i64, 3>& places, const Tensor<u8, 2>& shown);

struct DisentangledAttentionOptions {
  AttentionOptions attention;
  RelativePlaces places = {};
  bool queries_see_places = false, places_see_keys = false;  // "c2p", "p2c"
  bool shared = false;       // whether places are projected as contents are (DeBERTa's third version)
  bool fused = false;        // q, k and v of each head in one projection, as the first version has them
  bool mixes_heads = false;  // talking heads: Shazeer et al. 2020, arXiv 2003.02436
};

/// The rows of relative positions are what the pass's context has as the source. Checkpoint names: q_proj, k_proj,
/// v_proj, or in_proj, q_bias, v_bias; o_proj, pos_key_proj, pos_query_proj, head_logits_proj, head_weights_proj.
template <class B>
class DisentangledAttention {
 public:
  using options = DisentangledAttentionOptions;
  using A = typename B::activation;
  // Few numbers of heads are whole blocks.
  using head_linear = Linear<build<A, typename B::device, typename B::layer_kind>>;

  explicit DisentangledAttention(const DisentangledAttentionOptions& o)
      : o_proj(o.attention.hidden_size, o.attention.hidden_size, true), core_(o.attention), options_(o) {
    const isize C = o.attention.hidden_size, H = o.attention.num_heads;
    if (o.fused) {
      in_proj.emplace(C, 3 * C);
      q_bias = decltype(q_bias)::unallocated({C});
      v_bias = decltype(v_bias)::unallocated({C});
    } else {
      for (auto* layer : {&q_proj, &k_proj, &v_proj}) layer->emplace(C, C, true);
    }
    if (o.queries_see_places && !o.shared) pos_key_proj.emplace(C, C, !o.fused);
    if (o.places_see_keys && !o.shared) pos_query_proj.emplace(C, C, true);
    if (o.mixes_heads) head_logits_proj.emplace(H, H), head_weights_proj.emplace(H, H);
  }

  /// (B,T,C) => (B,T,C)
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    const isize B_ = x.extent(0), T = x.extent(1), H = core_.options().num_heads, C = core_.options().head_dim;
    const auto split = [&](const X& y) { return y.template reshape<4>({B_, T, H, C}); };
    if (options_.fused) {
      const auto all = fused(x).template reshape<4>({B_, T, H, 3 * C});
      return o_proj(attend(all.slice(3, 0, C).dense(), all.slice(3, C, 2 * C).dense(),
                           all.slice(3, 2 * C, 3 * C).dense(), context));
    }
    const auto [q, k, v] = project(x, *q_proj, *k_proj, *v_proj);
    return o_proj(attend(split(q), split(k), split(v), context));
  }

  void visit(visitor& v) {
    v("in_proj", in_proj);
    if (options_.fused) v("q_bias", q_bias), v("v_bias", v_bias);
    v("q_proj", q_proj);
    v("k_proj", k_proj);
    v("v_proj", v_proj);
    v("pos_key_proj", pos_key_proj);
    v("pos_query_proj", pos_query_proj);
    v("head_logits_proj", head_logits_proj);
    v("head_weights_proj", head_weights_proj);
    v("o_proj", o_proj);
  }

  std::optional<typename B::column_linear> in_proj, q_proj, k_proj, v_proj;
  typename B::template parameter<A, 1> q_bias, v_bias;  // (C), or empty
  std::optional<typename B::linear> pos_key_proj, pos_query_proj;
  std::optional<head_linear> head_logits_proj, head_weights_proj;  // (H,H)
  typename B::row_linear o_proj;

 private:
  template <class X>
  X fused(const X& x) const {
    using base = Tensor<A, 3, typename B::base>;
    const isize H = core_.options().num_heads, C = core_.options().head_dim;
    const auto heads = [&](const auto& bias) { return bias.template reshape<3>({H, 1, C}); };
    auto with_bias = *in_proj;
    with_bias.bias =
        concat_tokens(concat_tokens(heads(q_bias), decltype(heads(q_bias))(base::zeros({H, 1, C}))), heads(v_bias))
            .template reshape<1>({3 * H * C});
    return with_bias(x);
  }

  template <class Heads, class Context>
  auto attend(const Heads& q, const Heads& k, const Heads& v, Context& context) const {
    if (options_.mixes_heads)
      return mixed(q, k, v, of_places(q, k, relative_places(options_.places, q.extent(1)), context), context);
    // Padding sees all alike: its scores are zeros. (Large ones that are alike would lose what the gradient needs.)
    Heads queries = q;
    auto index = relative_places(options_.places, q.extent(1));
    if (context.key_mask) {
      const auto rows = q.template reshape<3>({q.extent(0), q.extent(1), q.extent(2) * q.extent(3)});
      queries = mask_tokens(rows, context.key_mask).template reshape<4>(q.shape());
      index = places_of_shown(index, to_host(context.key_mask).dense());
    }
    auto bias = of_places(queries, k, index, context);
    if (context.key_mask) {
      const auto hidden = mask(context, bias ? q.extent(2) : 1, false);
      bias = bias ? add(bias, hidden) : Heads(hidden);
    }
    const auto outer = std::exchange(context.attention_bias, bias);
    const auto key_mask = std::exchange(context.key_mask, decltype(context.key_mask)());  // which the bias has
    auto y = core_.attend(queries, k, v, context);
    context.attention_bias = outer, context.key_mask = key_mask;
    return y;
  }

  /// -1e30 where a key is padding, and for a query that is padding everywhere, or nowhere: (B,heads,T,T).
  template <class Context>
  Tensor<A, 4, typename B::base> mask(const Context& context, isize heads, bool hides_queries) const {
    const auto shown = to_host(context.key_mask).dense();
    const isize B_ = shown.extent(0), T = shown.extent(1);
    Tensor<A, 4, typename B::base> y({B_, heads, T, T});
    for (isize i = 0; i < y.size(); ++i) {
      const isize s = i % T, t = i / T % T, b = i / (T * T * heads);
      const bool asks = shown.data()[b * T + t], seen = shown.data()[b * T + s];
      y.data()[i] = (asks ? seen : !hides_queries) ? A(0) : A(-1e30);
    }
    return y;
  }

  /// What the scores get from relative positions, whose rows the index (1|B,T,T) has: (B,H,T,T), or nothing.
  template <class Heads, class Context>
  Heads of_places(const Heads& q, const Heads& k, const Tensor<i64, 3>& index, const Context& context) const {
    Heads bias;
    const isize T = q.extent(1), H = q.extent(2), C = q.extent(3);
    const RelativePlaces& places = options_.places;
    if (!options_.queries_see_places && !options_.places_see_keys) return bias;
    auto rows = context.source.states;  // (1,P,C)
    if (places.cut && T < places.reach) rows = rows.slice(1, places.reach - T, places.reach + T).dense();
    const f64 factor = *core_.options().scale;
    const auto table = [&](const auto& own, const auto& shared) {
      return (own ? (*own)(rows) : (*shared)(rows)).template reshape<3>({rows.extent(1), H, C});
    };
    if (options_.queries_see_places)
      bias = relative_scores(scale(q, factor), table(pos_key_proj, k_proj), index, scored::queries);
    if (options_.places_see_keys) {
      const Heads keys = relative_scores(scale(k, factor), table(pos_query_proj, q_proj), index, scored::keys);
      bias = bias ? add(bias, keys) : keys;
    }
    return bias;
  }

  /// Attention whose scores, and whose weights, are mixed over the heads: they are all in memory.
  template <class Heads, class Context>
  auto mixed(const Heads& q, const Heads& k, const Heads& v, const Heads& bias, Context& context) const {
    using base = typename B::base;
    using rows_t = std::decay_t<decltype(q.template reshape<2>({1, 1}))>;
    const isize B_ = q.extent(0), T = q.extent(1), H = q.extent(2), C = q.extent(3);
    const auto head = [&](const Heads& x, isize b, isize h) {
      return x.slice(0, b, b + 1).slice(2, h, h + 1).dense().template reshape<2>({T, C});
    };
    const auto stack = [&](const std::vector<rows_t>& parts, const std::vector<std::vector<isize>>& places, isize n) {
      return combine_rows(parts, places, rows_t(Tensor<A, 2, base>::filled({n, 1}, A(1))));
    };
    const auto mix = [&](const rows_t& of_heads, const auto& layer) {  // (H,N) => (H,N)
      std::vector<std::vector<isize>> places;
      for (isize g = 0; g < H; ++g) {
        places.emplace_back();
        for (isize h = 0; h < H; ++h) places.back().push_back(g * H + h);
      }
      return combine_rows(std::vector<rows_t>(std::size_t(H), of_heads), places, rows_t(layer.weight));
    };
    std::vector<rows_t> seen;
    std::vector<std::vector<isize>> places;
    for (isize b = 0; b < B_; ++b) {
      std::vector<rows_t> scores;
      std::vector<std::vector<isize>> heads;
      for (isize h = 0; h < H; ++h) {
        rows_t s = scale(rows_t(linear(head(q, b, h), head(k, b, h))), *core_.options().scale);
        if (bias) s = add(s, bias.slice(0, b, b + 1).slice(1, h, h + 1).dense().template reshape<2>({T, T}));
        scores.push_back(s.template reshape<2>({1, T * T}));
        heads.push_back({h});
      }
      rows_t all = mix(stack(scores, heads, H), *head_logits_proj).template reshape<2>({H * T, T});
      if (context.key_mask) {
        const auto hidden = mask(context, H, true);
        all = add(all, hidden.slice(0, b, b + 1).template reshape<2>({H * T, T}));
      }
      rows_t weights = apply_dropout(rows_t(softmax(all)), core_.options().dropout, context);
      weights = mix(weights.template reshape<2>({H, T * T}), *head_weights_proj);
      for (isize h = 0; h < H; ++h) {
        const auto values = head(v, b, h).template reshape<3>({T, C, 1}).permute({1, 0, 2}).dense();  // (C,T,1)
        seen.push_back(
            linear(weights.slice(0, h, h + 1).template reshape<2>({T, T}), values.template reshape<2>({C, T})));
        places.emplace_back();
        for (isize t = 0; t < T; ++t) places.back().push_back((b * T + t) * H + h);
      }
    }
    return stack(seen, places, B_ * T * H).template reshape<3>({B_, T, H * C});
  }

  AttentionCore<B, no_positions> core_;
  DisentangledAttentionOptions options_;
};

#if HFT_DEFINES(MODELS)

HFT_INLINE Tensor<i64, 3> relative_places(const RelativePlaces& p, isize T) {
  const isize reach = p.cut ? std::min(T, p.reach) : p.reach, mid = p.buckets / 2;
  std::vector<i64> of_distance;  // 1 - T, ..., T - 1
  for (isize d = 1 - T; d < T; ++d) {
    isize place = d;
    const isize far = d > -mid && d < mid ? mid - 1 : std::abs(d);
    if (p.buckets > 0 && far > mid) {
      // In f32, as Transformers computes it: at a bucket's first distance the last bit decides.
      const f32 share = std::log(f32(far) / f32(mid)) / std::log(f32(f64(p.max_distance - 1) / f64(mid)));
      const isize bucket = isize(std::ceil(share * f32(mid - 1))) + mid;
      place = d < 0 ? -bucket : bucket;
    }
    of_distance.push_back(std::clamp<isize>(place + reach, 0, 2 * reach - 1));
  }
  Tensor<i64, 3> index({1, T, T});
  for (isize t = 0; t < T; ++t)
    for (isize s = 0; s < T; ++s) index.data()[t * T + s] = of_distance[std::size_t(t - s + T - 1)];
  return index;
}

HFT_INLINE Tensor<i64, 3> places_of_shown(const Tensor<i64, 3>& places, const Tensor<u8, 2>& shown) {
  const isize B = shown.extent(0), T = shown.extent(1), S = places.extent(2);
  Tensor<i64, 3> index({B, T, S});
  for (isize b = 0; b < B; ++b)
    for (isize t = 0; t < T; ++t) {
      i64* to = index.data() + (b * T + t) * S;
      if (shown.data()[b * T + t])
        std::copy_n(places.data() + t * S, S, to);
      else
        std::fill_n(to, S, -1);
    }
  return index;
}

#endif  // HFT_DEFINES

}  // namespace hft
