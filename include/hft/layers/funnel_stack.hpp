// FunnelStack: blocks of layers between which a text is pooled to half its length, and a decoder that brings it back.
// Dai et al. 2020, arXiv 2006.03236 (Funnel Transformer).
#pragma once
#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include <hft/layers/attention.hpp>
#include <hft/layers/channels.hpp>
#include <hft/layers/dropout.hpp>
#include <hft/layers/explicit_attention.hpp>
#include <hft/layers/linear.hpp>
#include <hft/layers/mlp.hpp>
#include <hft/layers/norm.hpp>
#include <hft/linkage.hpp>
#include <hft/ops/relative_scores.hpp>
#include <hft/ops/take_rows.hpp>

namespace hft {

struct FunnelStackOptions {
  AttentionOptions attention;
  MLPOptions mlp;
  NormOptions norm;
  std::vector<isize> block_sizes = {}, block_repeats = {};  // layers of each block, and how often each of them is run
  isize decoder_layers = 0;
  bool separate_cls = true;  // whether the first token is never pooled with others
  bool truncate_seq = true;  // and pooling leaves the last one out for it
  bool pool_q_only = true;   // whether the first layer of a block sees the text before it is pooled
  bool factorized = false;   // whether distances are those of the tokens that pooling keeps
  bool max_pooling = false;  // else it takes means
  f64 dropout = 0, activation_dropout = 0;
};

/// A text at some level of pooling.
struct FunnelLevel {
  std::vector<isize> tokens;     // what pooling keeps of 0, ..., T-1
  std::vector<isize> positions;  // as relative_shift counts them
  Tensor<u8, 2> mask = {};       // (B,T'), or empty
};

/// Which rows of a text of `tokens` tokens each pooled one is made of, two and two; one that is alone twice.
std::vector<std::pair<isize, isize>> funnel_pairs(isize tokens, const FunnelStackOptions& o);
FunnelLevel pooled_level(const FunnelLevel& from, isize block, const FunnelStackOptions& o);
/// Distances of queries to keys, row by row. `pooling`: the keys are those before pooling.
std::vector<isize> funnel_distances(const FunnelLevel& queries, const FunnelLevel& keys, isize block, bool pooling,
                                    const FunnelStackOptions& o);

/// Checkpoint names: blocks.*.*, decoder.*, each with attention and ffn as in Transformers.
template <class B>
class FunnelStack {
 public:
  using options = FunnelStackOptions;
  using A = typename B::activation;

  explicit FunnelStack(const FunnelStackOptions& o) : options_(o) {
    for (const isize n : o.block_sizes) {
      blocks.emplace_back();
      for (isize i = 0; i < n; ++i) blocks.back().emplace_back(o);
    }
    for (isize i = 0; i < o.decoder_layers; ++i) decoder.emplace_back(o);
  }

  /// (B,T,C) => (B,T,C), or without a decoder (B,T',C).
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    const isize T = x.extent(1);
    FunnelLevel level;
    for (isize t = 0; t < T; ++t) level.tokens.push_back(t), level.positions.push_back(t);
    if (context.key_mask) level.mask = context.key_mask.dense();
    const FunnelLevel whole = level;
    X h = x, kept = x;
    isize runs = 0;
    const auto ran = [&] {
      if (++runs == options_.block_sizes[0]) kept = h;
    };
    for (std::size_t b = 0; b < blocks.size(); ++b) {
      const bool pools = b > 0 && h.extent(1) > (options_.separate_cls ? 2 : 1);
      const FunnelLevel before = level;
      if (b > 0) level = pools ? pooled_level(level, isize(b), options_) : renumbered(level, isize(b));
      for (std::size_t l = 0; l < blocks[b].size(); ++l)
        for (isize r = 0; r < options_.block_repeats[b]; ++r) {
          if (runs > 0 && context.hidden_states) context.hidden_states->push_back(h);
          const bool first = pools && l == 0 && r == 0;
          const X queries = first ? pooled(h) : h;
          const bool wide = first && options_.pool_q_only;
          h = blocks[b][l](queries, wide ? h : queries, level, wide ? before : level, isize(b), wide, options_,
                           context);
          ran();
        }
    }
    if (decoder.empty()) return h;
    h = add(upsampled(h, T), kept);
    for (const auto& layer : decoder) {
      if (context.hidden_states) context.hidden_states->push_back(h);
      h = layer(h, h, whole, whole, 0, false, options_, context);
    }
    return h;
  }
  void visit(visitor& v) {
    v("blocks", blocks);
    v("decoder", decoder);
  }

  struct attention_layer {
    explicit attention_layer(const FunnelStackOptions& o)
        : q_head(o.attention.hidden_size, width(o), false),
          k_head(o.attention.hidden_size, width(o), true),
          v_head(o.attention.hidden_size, width(o), true),
          post_proj(width(o), o.attention.hidden_size, true),
          layer_norm(o.norm),
          core(o.attention) {
      const isize C = o.attention.hidden_size, H = o.attention.num_heads, D = o.attention.head_dim;
      for (auto* b : {&r_w_bias, &r_r_bias, &r_s_bias}) *b = parameter2::unallocated({H, D});
      r_kernel = parameter3::unallocated({C, H, D});
      seg_embed = parameter3::unallocated({2, H, D});
    }
    static isize width(const FunnelStackOptions& o) { return o.attention.num_heads * o.attention.head_dim; }
    void visit(visitor& v) {
      v("q_head", q_head);
      v("k_head", k_head);
      v("v_head", v_head);
      v("r_w_bias", r_w_bias);
      v("r_r_bias", r_r_bias);
      v("r_kernel", r_kernel);
      v("r_s_bias", r_s_bias);
      v("seg_embed", seg_embed);
      v("post_proj", post_proj);
      v("layer_norm", layer_norm);
    }

    template <class X, class Context>
    X operator()(const X& x, const X& seen, const FunnelLevel& queries, const FunnelLevel& keys, isize block,
                 bool pooling, const FunnelStackOptions& o, Context& context) const {
      const isize B_ = x.extent(0), T = x.extent(1), S = seen.extent(1), H = core.options().num_heads,
                  D = core.options().head_dim, N = H * D;
      const f64 factor = *core.options().scale;
      const X q = q_head(x);
      const auto with = [&](const parameter2& bias) {
        return X(add_row(q, bias.template reshape<1>({N}))).template reshape<4>({B_, T, H, D});
      };
      // The rows of distances, and which of them each query and key has: none where the first token has a place of its
      // own.
      const auto distances = funnel_distances(queries, keys, block, pooling, o);
      const auto [least, most] = std::minmax_element(distances.begin(), distances.end());
      const isize lowest = *least, P = *most - lowest + 1, C = r_kernel.extent(0), half = C / 2;
      Tensor<A, 3, typename B::base> sinusoids({1, P, C});
      for (isize p = 0; p < P; ++p)
        for (isize i = 0; i < half; ++i) {
          const f64 angle = f64(p + lowest) * std::pow(10000.0, -f64(i) / f64(half));
          sinusoids.data()[p * C + i] = A(std::sin(angle)), sinusoids.data()[p * C + half + i] = A(std::cos(angle));
        }
      const auto alone = [&](isize t, isize s) {
        return o.separate_cls && (queries.tokens[std::size_t(t)] == 0 || keys.tokens[std::size_t(s)] == 0);
      };
      Tensor<i64, 3> index({1, T, S}), types({B_, T, S});
      for (isize i = 0; i < T * S; ++i) index.data()[i] = alone(i / S, i % S) ? -1 : distances[std::size_t(i)] - lowest;
      const auto given = dense_or_empty(context.token_type_ids);
      for (isize i = 0; i < types.size(); ++i) {
        const isize s = i % S, t = i / S % T, b = i / (T * S);
        const auto type = [&](isize token) { return given ? given.data()[b * given.extent(1) + token] : 0; };
        const i64 one = type(queries.tokens[std::size_t(t)]), other = type(keys.tokens[std::size_t(s)]);
        types.data()[i] = alone(t, s) ? -1 : one == other || one == 2 || other == 2;
      }
      const auto kernel =
          r_kernel.template reshape<3>({C, N, 1}).permute({1, 0, 2}).dense().template reshape<2>({N, C});
      const auto rows = X(linear(X(sinusoids), kernel)).template reshape<3>({P, H, D});
      const auto bias = add(relative_scores(scale(with(r_r_bias), factor), rows, index, scored::queries),
                            relative_scores(scale(with(r_s_bias), factor), seg_embed, types, scored::queries));

      const auto keys_seen = X(k_head(seen)).template reshape<4>({B_, S, H, D});
      const auto values = X(v_head(seen)).template reshape<4>({B_, S, H, D});
      const auto added = [&](const X& a) {
        return layer_norm(add(x, apply_dropout(X(post_proj(a)), o.dropout, context)));
      };
      if (keys.mask && hides_all(keys.mask)) {
        Tensor<A, 2, typename B::base> shift({B_, S});
        for (isize i = 0; i < shift.size(); ++i) shift.data()[i] = keys.mask.data()[i] ? A(0) : A(-1e6);
        return added(explicit_attention(with(r_w_bias), keys_seen, values, factor, bias, shift, core.options().dropout,
                                        context));
      }
      const auto outer = std::exchange(context.attention_bias, bias);
      auto mask = context.key_mask;
      std::swap(context.key_mask, mask);
      if (keys.mask) context.key_mask = to_device<typename B::base>(keys.mask);
      const X a = core.attend(with(r_w_bias), keys_seen, values, context);
      context.attention_bias = outer, context.key_mask = mask;
      return added(a);
    }

    /// Whether all of some row is padding, as pooling may leave it: Transformers then hides nothing of it.
    static bool hides_all(const Tensor<u8, 2>& mask) {
      const isize S = mask.extent(1);
      for (isize b = 0; b < mask.extent(0); ++b)
        if (std::count(mask.data() + b * S, mask.data() + (b + 1) * S, u8(0)) == S) return true;
      return false;
    }

    using parameter3 = typename B::template parameter<A, 3>;
    using parameter2 = typename B::template parameter<A, 2>;
    typename B::linear q_head, k_head, v_head, post_proj;
    parameter2 r_w_bias, r_r_bias, r_s_bias;  // (H,D)
    parameter3 r_kernel, seg_embed;           // (C,H,D), (2,H,D): of other types, and of equal ones
    LayerNorm<B> layer_norm;
    AttentionCore<B, no_positions> core;
  };

  struct feed_forward_layer {
    explicit feed_forward_layer(const FunnelStackOptions& o)
        : linear_1(o.mlp.hidden_size, o.mlp.intermediate_size, true),
          linear_2(o.mlp.intermediate_size, o.mlp.hidden_size, true),
          layer_norm(o.norm) {}
    template <class X, class Context>
    X operator()(const X& x, const FunnelStackOptions& o, Context& context) const {
      const X h = apply_dropout(activate(X(linear_1(x)), o.mlp.activation), o.activation_dropout, context);
      return layer_norm(add(x, apply_dropout(X(linear_2(h)), o.dropout, context)));
    }
    void visit(visitor& v) {
      v("linear_1", linear_1);
      v("linear_2", linear_2);
      v("layer_norm", layer_norm);
    }
    typename B::linear linear_1, linear_2;
    LayerNorm<B> layer_norm;
  };

  struct layer {
    explicit layer(const FunnelStackOptions& o) : attention(o), ffn(o) {}
    template <class X, class Context>
    X operator()(const X& x, const X& seen, const FunnelLevel& queries, const FunnelLevel& keys, isize block,
                 bool pooling, const FunnelStackOptions& o, Context& context) const {
      return ffn(attention(x, seen, queries, keys, block, pooling, o, context), o, context);
    }
    void visit(visitor& v) {
      v("attention", attention);
      v("ffn", ffn);
    }
    attention_layer attention;
    feed_forward_layer ffn;
  };

  std::vector<std::vector<layer>> blocks;
  std::vector<layer> decoder;

 private:
  /// A text too short to be pooled is at the next level as it is.
  FunnelLevel renumbered(FunnelLevel level, isize block) const {
    level.positions = pooled_level(level, block, options_).positions;
    level.positions.resize(level.tokens.size(), level.positions.empty() ? 0 : level.positions.back());
    return level;
  }
  template <class X>
  static X rows(const X& x, const std::vector<isize>& of_text) {
    const isize B_ = x.extent(0), T = x.extent(1), C = x.extent(2), n = isize(of_text.size());
    std::vector<isize> all;
    for (isize b = 0; b < B_; ++b)
      for (const isize t : of_text) all.push_back(b * T + t);
    return take_rows(x.dense().template reshape<2>({B_ * T, C}), all).template reshape<3>({B_, n, C});
  }
  template <class X>
  X pooled(const X& x) const {
    std::vector<isize> first, second;
    for (const auto& [a, b] : funnel_pairs(x.extent(1), options_)) first.push_back(a), second.push_back(b);
    const X a = rows(x, first), b = rows(x, second);
    if (!options_.max_pooling) return scale(add(a, b), 0.5);
    return add(a, activate(add(b, scale(a, -1)), Activation::relu));
  }
  /// Each row as often as blocks after the first halved the text; zeros where rows are missing.
  template <class X>
  X upsampled(const X& x, isize T) const {
    const isize stride = isize(1) << (options_.block_sizes.size() - 1), n = x.extent(1), zero = n;
    if (stride == 1) return x;
    const isize cls = options_.separate_cls;
    std::vector<isize> from(static_cast<std::size_t>(cls), 0);
    for (isize t = cls; t < T; ++t) from.push_back(std::min(cls + (t - cls) / stride, zero));
    return rows(pad_tokens(x, 1), from);
  }

  FunnelStackOptions options_;
};

#if HFT_DEFINES(MODELS)

HFT_INLINE std::vector<std::pair<isize, isize>> funnel_pairs(isize tokens, const FunnelStackOptions& o) {
  std::vector<isize> row;  // the first token once more before all
  if (o.separate_cls) row.push_back(0);
  for (isize t = 0; t < tokens - (o.separate_cls && o.truncate_seq); ++t) row.push_back(t);
  std::vector<std::pair<isize, isize>> pairs;
  for (std::size_t i = 0; i < row.size(); i += 2) pairs.emplace_back(row[i], row[std::min(i + 1, row.size() - 1)]);
  return pairs;
}

HFT_INLINE FunnelLevel pooled_level(const FunnelLevel& from, isize block, const FunnelStackOptions& o) {
  const isize T = isize(from.tokens.size());
  FunnelLevel to;
  for (const auto& [first, second] : funnel_pairs(T, o)) to.tokens.push_back(from.tokens[std::size_t(first)]);
  if (o.separate_cls) {
    // Of [cls, cls, 1, 2, ...] every second, and not the last where the text is truncated.
    to.tokens.clear();
    for (isize i = 0; i < T + 1 - o.truncate_seq; i += 2) to.tokens.push_back(from.tokens[std::size_t(i ? i - 1 : 0)]);
    to.positions.push_back(1 - (isize(1) << block));
    for (isize i = 1; i < isize(from.positions.size()) - o.truncate_seq; i += 2)
      to.positions.push_back(from.positions[std::size_t(i)]);
  } else {
    for (std::size_t i = 0; i < from.positions.size(); i += 2) to.positions.push_back(from.positions[i]);
  }
  if (from.mask) {
    const isize B = from.mask.extent(0);
    const auto pairs = funnel_pairs(T, o);
    const isize n = isize(pairs.size());
    to.mask = Tensor<u8, 2>({B, n});
    for (isize b = 0; b < B; ++b)
      for (isize i = 0; i < n; ++i) {
        const auto [first, second] = pairs[std::size_t(i)];
        to.mask.data()[b * n + i] = std::min(from.mask.data()[b * T + first], from.mask.data()[b * T + second]);
      }
  }
  return to;
}

HFT_INLINE std::vector<isize> funnel_distances(const FunnelLevel& queries, const FunnelLevel& keys, isize block,
                                               bool pooling, const FunnelStackOptions& o) {
  const isize T = isize(queries.tokens.size()), S = isize(keys.tokens.size());
  std::vector<isize> distances;
  const isize shift = pooling ? 2 : 1, stride = isize(1) << (pooling ? block - 1 : block);
  const isize L = isize(queries.positions.size());
  const isize furthest = queries.positions[0] - keys.positions[0] + shift * L * stride;
  for (isize t = 0; t < T; ++t)
    for (isize s = 0; s < S; ++s)
      distances.push_back(o.factorized ? queries.tokens[std::size_t(t)] - keys.tokens[std::size_t(s)]
                                       : furthest - stride * (s + shift * (T - t)));
  return distances;
}

#endif  // HFT_DEFINES

}  // namespace hft
