// Cross-attention: queries of one sequence, keys and values of another, the encoder's states.
#pragma once
#include <optional>
#include <utility>

#include <hft/layers/attention.hpp>

namespace hft {

/// Attention to another sequence, whole, with the member names q_proj, k_proj, v_proj, o_proj, or with
/// AttentionOptions::fused kv_proj in the place of two. With a cache, the other's keys and values are computed in its
/// first pass only: the states must be the same in every pass.
template <class B>
class CrossAttention {
 public:
  using linear_t = typename B::column_linear;

  explicit CrossAttention(const AttentionOptions& o)
      : q_proj(o.hidden_size, o.num_heads * o.head_dim, o.bias),
        o_proj(o.num_heads * o.head_dim, o.hidden_size, o.output_bias),
        options_(o) {
    options_.visible = visibility::everything();
    const isize size = o.source_size ? o.source_size : o.hidden_size, width = o.num_kv_heads * o.head_dim;
    if (o.fused)
      kv_proj.emplace(size, 2 * width, o.bias);
    else
      k_proj.emplace(size, width, o.bias), v_proj.emplace(size, width, o.bias);
  }

  /// x (B,T,C), source (B,S,Cs) => (B,T,C)
  template <class X, class Context>
  X operator()(const X& x, const cross_source<X>& source, Context& context) const {
    const isize B_ = x.extent(0), T = x.extent(1), H = options_.num_heads, Hk = options_.num_kv_heads,
                C = options_.head_dim;
    const auto projected = [&] {
      const auto heads = [&](const X& y) {
        return y.dense().template reshape<4>({B_, source.states.extent(1), Hk, C});
      };
      if (!kv_proj) return std::pair{heads((*k_proj)(source.states)), heads((*v_proj)(source.states))};
      const X both = (*kv_proj)(source.states);
      return std::pair{heads(both.slice(2, 0, Hk * C)), heads(both.slice(2, Hk * C, 2 * Hk * C))};
    };
    const auto query = q_proj(x).template reshape<4>({B_, T, H, C});
    auto args = detail::attention_args(options_, context);
    args.key_mask = source.mask;
    const auto attended = [&](const auto& keys, const auto& values) {
      if (context.cross_attentions)
        context.cross_attentions->push_back(attention_weights(detail::untracked(query), detail::untracked(keys), args));
      return o_proj(attention(query, keys, values, args).template reshape<3>({B_, T, H * C}));
    };
    if constexpr (requires { context.cache; })
      if (context.cache) {
        auto& kept = context.cache->cross(options_.layer);
        if (!kept.keys) {
          const auto made = projected();
          kept = {made.first, made.second};
        }
        return attended(kept.keys, kept.values);
      }
    const auto [keys, values] = projected();
    return attended(keys, values);
  }

  void visit(visitor& v) {
    v("q_proj", q_proj);
    v("k_proj", k_proj);
    v("v_proj", v_proj);
    v("kv_proj", kv_proj);
    v("o_proj", o_proj);
  }

  linear_t q_proj;
  std::optional<linear_t> k_proj, v_proj, kv_proj;
  typename B::row_linear o_proj;

 private:
  AttentionOptions options_;
};

}  // namespace hft
