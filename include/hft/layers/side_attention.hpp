// SideAttention: beside the keys of other tokens one more for each block of them, made of their sum. Guo et al. 2021,
// arXiv 2112.07916 (LongT5's transient global attention).
#pragma once
#include <algorithm>
#include <optional>
#include <type_traits>
#include <vector>

#include <hft/layers/attention.hpp>
#include <hft/layers/relative_position_bias.hpp>
#include <hft/ops/combine_rows.hpp>
#include <hft/ops/concat_tokens.hpp>
#include <hft/ops/take_rows.hpp>

namespace hft {

/// With AttentionOptions::side_block; without it a SelfAttention. Which keys are seen, the side keys among them, the
/// bias of positions says. Checkpoint names: q_proj, k_proj, v_proj, o_proj, or with side keys sides.q_proj and so on,
/// and sides.global_input_layernorm.
template <class B>
class SideAttention {
 public:
  using linear_t = typename B::column_linear;

  explicit SideAttention(const AttentionOptions& o)
      : q_proj(o.hidden_size, o.num_heads * o.head_dim, o.bias),
        k_proj(o.hidden_size, o.num_kv_heads * o.head_dim, o.bias),
        v_proj(o.hidden_size, o.num_kv_heads * o.head_dim, o.bias),
        o_proj(o.num_heads * o.head_dim, o.hidden_size, o.output_bias),
        core_(o) {
    if (o.side_block) global_input_layernorm.emplace(NormOptions{.size = o.hidden_size, .eps = o.side_eps});
  }

  /// (B,T,C) => (B,T,C)
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    const AttentionOptions& o = core_.options();
    auto [q, k, v] = project(x, q_proj, k_proj, v_proj);
    if (o.side_block && x.extent(1) >= o.side_block) {
      const X sides = (*global_input_layernorm)(sums(x, context.key_mask));
      k = concat_tokens(k, X(k_proj(sides))), v = concat_tokens(v, X(v_proj(sides)));
    }
    const auto heads = [&](const X& y, isize n) {
      return y.dense().template reshape<4>({y.extent(0), y.extent(1), n, o.head_dim});
    };
    return o_proj(core_.attend(heads(q, o.num_heads), heads(k, o.num_kv_heads), heads(v, o.num_kv_heads), context));
  }

  void visit(visitor& v) {
    const bool sides = global_input_layernorm.has_value();
    v(sides ? "sides.q_proj" : "q_proj", q_proj);
    v(sides ? "sides.k_proj" : "k_proj", k_proj);
    v(sides ? "sides.v_proj" : "v_proj", v_proj);
    v(sides ? "sides.o_proj" : "o_proj", o_proj);
    v("sides.global_input_layernorm", global_input_layernorm);
  }

  linear_t q_proj, k_proj, v_proj;
  typename B::row_linear o_proj;
  std::optional<RMSNorm<B>> global_input_layernorm;

 private:
  /// The sums of each block's tokens: (B,T,C) => (B,G,C)
  template <class X, class Mask>
  X sums(const X& x, const Mask& mask) const {
    using A = typename X::dtype_t;
    const isize B_ = x.extent(0), T = x.extent(1), C = x.extent(2), size = core_.options().side_block, G = T / size;
    const auto blocks = detail::side_blocks(mask, B_, T, size);
    std::vector<isize> tokens, places, counts(static_cast<std::size_t>(B_ * G));
    for (isize n = 0; n < B_ * T; ++n)
      if (const isize block = blocks[std::size_t(n)]; block >= 0) ++counts[std::size_t(n / T * G + block)];
    const isize k = std::max<isize>(1, *std::max_element(counts.begin(), counts.end()));
    std::fill(counts.begin(), counts.end(), 0);
    for (isize n = 0; n < B_ * T; ++n)
      if (const isize block = blocks[std::size_t(n)]; block >= 0) {
        const isize row = n / T * G + block;
        tokens.push_back(n), places.push_back(row * k + counts[std::size_t(row)]++);
      }
    const A weight = tokens.empty() ? A(0) : A(1);  // a block without tokens is seen by nobody
    if (tokens.empty()) tokens = places = {0};
    const auto rows = take_rows(x.dense().template reshape<2>({B_ * T, C}), tokens);
    using rows_t = std::decay_t<decltype(rows)>;
    const rows_t weights(Tensor<A, 2, typename B::base>::filled({B_ * G, k}, weight));
    return combine_rows(std::vector<rows_t>{rows}, {places}, weights).template reshape<3>({B_, G, C});
  }

  AttentionCore<B, no_positions> core_;
};

}  // namespace hft
