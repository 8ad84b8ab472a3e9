// StreamAttention: self-attention of a text and of streams beside it, each of which predicts a token further ahead. Qi
// et al. 2020, arXiv 2001.04063 (ProphetNet).
#pragma once
#include <algorithm>
#include <type_traits>
#include <vector>

#include <hft/layers/attention.hpp>
#include <hft/layers/relative_position_bias.hpp>
#include <hft/ops/concat_tokens.hpp>
#include <hft/ops/elementwise.hpp>
#include <hft/ops/take_rows.hpp>

namespace hft {

/// The first T of its (1+n) T tokens are the text; behind them are n streams of T tokens each. A stream's token sees
/// the text up to where it predicts, and itself. What is added to a score is a product of the query's state, for each
/// bucket of distances and each head. Checkpoint names: q_proj, k_proj, v_proj, o_proj, relative_pos_embeddings.
template <class B>
class StreamAttention {
 public:
  using linear_t = typename B::column_linear;

  explicit StreamAttention(const AttentionOptions& o)
      : q_proj(o.hidden_size, o.num_heads * o.head_dim, o.bias),
        k_proj(o.hidden_size, o.num_heads * o.head_dim, o.bias),
        v_proj(o.hidden_size, o.num_heads * o.head_dim, o.bias),
        o_proj(o.num_heads * o.head_dim, o.hidden_size, o.output_bias),
        relative_pos_embeddings(o.hidden_size, o.streams.num_buckets * o.num_heads, true),
        options_(o) {
    options_.visible = visibility::everything();
  }

  /// (B,(1+n)T,C) => (B,(1+n)T,C)
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    const isize B_ = x.extent(0), N = x.extent(1), H = options_.num_heads, C = options_.head_dim,
                T = N / (1 + options_.streams.count);
    const auto [q, k, v] = project(x, q_proj, k_proj, v_proj);
    const auto heads = [&](const X& y) { return y.dense().template reshape<4>({B_, y.extent(1), H, C}); };
    X keys = k.slice(1, 0, T).dense(), values = v.slice(1, 0, T).dense();
    bool stepping = false;  // one token at a time, behind those that a cache has
    if constexpr (requires { context.cache; })
      if (context.cache) {
        stepping = T == 1;
        const auto kept = context.cache->update(options_.layer, heads(keys), heads(values));  // (B,S,H,D)
        const auto rows = [&](const auto& y) { return y.dense().template reshape<3>({B_, y.extent(1), H * C}); };
        keys = rows(kept.keys), values = rows(kept.values);
      }
    const isize S = keys.extent(1);
    const auto places = score_places(B_, T, S, stepping);
    const X relative = relative_pos_embeddings(x);  // (B,N,buckets*H)
    const auto added = take_rows(relative.dense().template reshape<2>({relative.size(), 1}), places.rows);
    using bias_t = std::decay_t<decltype(added.template reshape<4>({B_, H, N, S + N - T}))>;
    using A = typename X::dtype_t;
    Tensor<A, 4, typename X::device::base> hidden({B_, H, N, S + N - T});
    std::transform(places.hidden.begin(), places.hidden.end(), hidden.data(),
                   [](bool h) { return h ? A(-1e30) : A(0); });
    const bias_t bias = add(added.template reshape<4>({B_, H, N, S + N - T}), bias_t(hidden));
    auto args = detail::attention_args(options_, context);
    if (context.key_mask && !stepping) args.key_mask = with_streams(context.key_mask, N - T);
    const auto query = heads(q), all_keys = heads(concat_tokens(keys, X(k.slice(1, T, N).dense()))),
               all_values = heads(concat_tokens(values, X(v.slice(1, T, N).dense())));
    if (context.attentions)
      context.attentions->push_back(
          attention_weights(detail::untracked(query), detail::untracked(all_keys), args, detail::untracked(bias)));
    return o_proj(attention(query, all_keys, all_values, args, bias).template reshape<3>({B_, N, H * C}));
  }

  void visit(visitor& v) {
    v("q_proj", q_proj);
    v("k_proj", k_proj);
    v("v_proj", v_proj);
    v("o_proj", o_proj);
    v("relative_pos_embeddings", relative_pos_embeddings);
  }

  linear_t q_proj, k_proj, v_proj;
  typename B::row_linear o_proj;
  typename B::linear relative_pos_embeddings;

 private:
  // Of each score (B,H,N,S+nT): the element of relative (B,N,buckets,H) that is added to it, and whether it is hidden.
  struct places_of_scores {
    std::vector<isize> rows;
    std::vector<bool> hidden;
  };

  // As Transformers has it: a stream's token takes the products of other tokens, those whose number in (T,n,H) is its
  // own in (n,H,T). With one token, as with a cache, they are its own.
  places_of_scores score_places(isize rows, isize T, isize S, bool stepping) const {
    const isize n = options_.streams.count, H = options_.num_heads, N = (1 + n) * T,
                buckets = options_.streams.num_buckets, past = S - T;
    const RelativePositionOptions o{
        .num_buckets = buckets, .max_distance = options_.streams.max_distance, .bidirectional = false};
    // Transformers counts positions from the padding's on, and in a step what is behind from 0 on.
    const isize shift = stepping ? options_.streams.step_shift : 0;
    places_of_scores out;
    for (isize b = 0; b < rows; ++b)
      for (isize h = 0; h < H; ++h)
        for (isize q = 0; q < N; ++q) {
          const isize s = q / T - 1, t = q % T, at = past + t;
          isize state = q, head = h;
          if (s >= 0) {
            const isize i = (s * H + h) * T + t;
            state = T + (i / H) % n * T + i / (n * H), head = i % H;
          }
          const auto put = [&](isize distance, bool hidden) {
            const isize bucket = relative_position_bucket(distance, o);
            out.rows.push_back(((b * N + state) * buckets + bucket) * H + head);
            out.hidden.push_back(hidden);
          };
          for (isize j = 0; j < S; ++j)
            if (s < 0)
              put(j - at - shift, j > at);
            else
              put(j - at - 1 - shift, !stepping && j && j >= at + 1 - s);
          for (isize j = T; j < N; ++j) put(-shift, j != q);
        }
    return out;
  }
  template <class Mask>
  static Mask with_streams(const Mask& mask, isize more) {
    const isize B_ = mask.extent(0), S = mask.extent(1);
    auto out = Mask::filled({B_, S + more}, u8(1));
    for (isize b = 0; b < B_; ++b) std::copy_n(mask.data() + b * mask.stride(0), S, out.data() + b * (S + more));
    return out;
  }

  AttentionOptions options_;
};

}  // namespace hft
