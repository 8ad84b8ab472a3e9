// Latent attention: queries, keys and values that come of narrow projections, as of DeepSeek-V2 and V3.
#pragma once
#include <numeric>
#include <optional>
#include <vector>

#include <hft/layers/attention.hpp>
#include <hft/ops/concat_tokens.hpp>
#include <hft/ops/take_rows.hpp>

namespace hft {

/// Multi-head latent attention, as AttentionOptions::latent says; head_dim is that of queries and keys. What is cached
/// are keys and values of all heads, as in Transformers. DeepSeek-AI 2024, arXiv 2405.04434, section 2.1. Checkpoint
/// names: q_proj, or of narrow queries q_a_proj, q_a_layernorm, q_b_proj; kv_a_proj_with_mqa, kv_a_layernorm,
/// kv_b_proj, o_proj.
template <class B>
class LatentAttention {
 public:
  /// Throws value_error without options of it.
  explicit LatentAttention(const AttentionOptions& o)
      : kv_a_proj_with_mqa(o.hidden_size, latent(o).key_value_rank + latent(o).rope_size, o.bias),
        kv_a_layernorm({.size = latent(o).key_value_rank, .eps = latent(o).eps}),
        kv_b_proj(latent(o).key_value_rank, o.num_heads * (o.head_dim - latent(o).rope_size + latent(o).value_size)),
        o_proj(o.num_heads * latent(o).value_size, o.hidden_size, o.output_bias),
        positions_(o),
        core_(o) {
    const isize rank = latent(o).query_rank, width = o.num_heads * o.head_dim;
    if (rank) {
      q_a_proj.emplace(o.hidden_size, rank, o.bias);
      q_a_layernorm.emplace(NormOptions{.size = rank, .eps = latent(o).eps});
      q_b_proj.emplace(rank, width);
    } else {
      q_proj.emplace(o.hidden_size, width);
    }
  }

  /// (B,T,C) => (B,T,C)
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    const AttentionOptions& o = core_.options();
    const isize B_ = x.extent(0), T = x.extent(1), H = o.num_heads, L = o.latent->key_value_rank,
                R = o.latent->rope_size, N = o.head_dim - R, V = o.latent->value_size;
    const X q = q_proj ? (*q_proj)(x) : (*q_b_proj)((*q_a_layernorm)((*q_a_proj)(x)));
    const X narrow = kv_a_proj_with_mqa(x);  // (B,T,L+R)
    const X wide = kv_b_proj(kv_a_layernorm(narrow.slice(2, 0, L)));
    const auto queries = q.template reshape<4>({B_, T, H, N + R});
    const auto keys_values = wide.template reshape<4>({B_, T, H, N + V});
    const auto [turned_q, turned_k] =
        positions_.apply(queries.slice(3, N, N + R).dense(),
                         narrow.slice(2, L, L + R).dense().template reshape<4>({B_, T, 1, R}), context);
    std::vector<isize> of_heads;  // the same for all
    for (isize row = 0; row < B_ * T; ++row) of_heads.insert(of_heads.end(), std::size_t(H), row);
    const auto shared = take_rows(turned_k.template reshape<2>({B_ * T, R}), of_heads);
    return o_proj(core_.attend(beside(queries.slice(3, 0, N), turned_q),
                               beside(keys_values.slice(3, 0, N), shared.template reshape<4>({B_, T, H, R})),
                               keys_values.slice(3, N, N + V).dense(), context));
  }

  void visit(visitor& v) {
    v("q_proj", q_proj);
    v("q_a_proj", q_a_proj);
    v("q_a_layernorm", q_a_layernorm);
    v("q_b_proj", q_b_proj);
    v("kv_a_proj_with_mqa", kv_a_proj_with_mqa);
    v("kv_a_layernorm", kv_a_layernorm);
    v("kv_b_proj", kv_b_proj);
    v("o_proj", o_proj);
  }

  std::optional<typename B::column_linear> q_proj;
  std::optional<typename B::linear> q_a_proj;
  std::optional<RMSNorm<B>> q_a_layernorm;
  std::optional<typename B::column_linear> q_b_proj;
  typename B::linear kv_a_proj_with_mqa;
  RMSNorm<B> kv_a_layernorm;
  typename B::column_linear kv_b_proj;
  typename B::row_linear o_proj;

 private:
  static const LatentOptions& latent(const AttentionOptions& o) {
    if (!o.latent) throw value_error("LatentAttention", "AttentionOptions::latent", "its options", "none");
    return *o.latent;
  }
  // The elements of each head of a, and behind them those of b: (B,T,H,N), (B,T,H,R) => (B,T,H,N+R)
  template <class Heads>
  static Heads beside(const Heads& a, const Heads& b) {
    const isize n = a.extent(0) * a.extent(1) * a.extent(2), N = a.extent(3), R = b.extent(3), c = std::gcd(N, R);
    return concat_tokens(a.dense().template reshape<3>({n, N / c, c}), b.dense().template reshape<3>({n, R / c, c}))
        .template reshape<4>({a.extent(0), a.extent(1), a.extent(2), N + R});
  }

  rope positions_;
  AttentionCore<B, no_positions> core_;
};

}  // namespace hft
