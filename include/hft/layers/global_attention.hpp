// GlobalAttention: a window on both sides, and tokens that see all others and are seen by them. Beltagy et al. 2020,
// arXiv 2004.05150 (Longformer).
#pragma once
#include <algorithm>
#include <utility>
#include <vector>

#include <hft/layers/attention.hpp>
#include <hft/layers/channels.hpp>
#include <hft/layers/linear.hpp>
#include <hft/ops/combine_rows.hpp>
#include <hft/ops/mask_tokens.hpp>
#include <hft/ops/take_rows.hpp>

namespace hft {

struct GlobalAttentionOptions {
  AttentionOptions attention;
  isize side = 256;  // keys on either side of a query
};

/// Which tokens are global is what the pass's context has as global_tokens. Checkpoint names: q_proj, k_proj, v_proj,
/// o_proj, and of what global tokens see query_global, key_global, value_global.
template <class B>
class GlobalAttention {
 public:
  using options = GlobalAttentionOptions;

  explicit GlobalAttention(const GlobalAttentionOptions& o)
      : q_proj(o.attention.hidden_size, width(o), o.attention.bias),
        k_proj(o.attention.hidden_size, width(o), o.attention.bias),
        v_proj(o.attention.hidden_size, width(o), o.attention.bias),
        query_global(o.attention.hidden_size, width(o), o.attention.bias),
        key_global(o.attention.hidden_size, width(o), o.attention.bias),
        value_global(o.attention.hidden_size, width(o), o.attention.bias),
        o_proj(width(o), o.attention.hidden_size, o.attention.output_bias),
        near_(seeing(o, visibility::around(o.side, o.side))),
        all_(seeing(o, visibility::everything())),
        side_(o.side) {}
  /// With the window that the options say.
  explicit GlobalAttention(const AttentionOptions& o) : GlobalAttention(GlobalAttentionOptions{o, o.visible.left}) {}

  /// (B,T,C) => (B,T,C)
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    const auto as_they_are = [](auto&, auto&) {};
    const auto [q, k, v] = project(x, q_proj, k_proj, v_proj);
    if (!context.global_tokens) {
      const X seen = near_(q, k, v, context, as_they_are);
      return o_proj(context.key_mask ? mask_tokens(seen, context.key_mask) : seen);
    }

    using A = typename X::dtype_t;
    using base = typename X::device::base;
    const isize B_ = x.extent(0), T = x.extent(1), C = q.extent(2), N = B_ * T;
    const i64* global = context.global_tokens.data();
    // Others see their window, and the global tokens.
    Tensor<A, 4, base> hidden({B_, 1, T, T});
    for (isize b = 0; b < B_; ++b)
      for (isize t = 0; t < T; ++t)
        for (isize s = 0; s < T; ++s)
          hidden.data()[(b * T + t) * T + s] = std::abs(t - s) <= side_ || global[b * T + s] ? A(0) : A(-1e30);
    const auto outer = std::exchange(context.attention_bias, decltype(context.attention_bias)(hidden));
    const X local = all_(q, k, v, context, as_they_are);
    context.attention_bias = outer;

    // The global tokens of each row, as many for each: where a row has fewer, its first token, whose result has no
    // place but behind all.
    std::vector<std::vector<isize>> of_row(static_cast<std::size_t>(B_));
    for (isize n = 0; n < N; ++n)
      if (global[n]) of_row[std::size_t(n / T)].push_back(n);
    std::size_t most = 0;
    for (const auto& tokens : of_row) most = std::max(most, tokens.size());
    std::vector<isize> rows, near(static_cast<std::size_t>(N)), far;
    isize places = N;
    for (isize b = 0; b < B_; ++b)
      for (std::size_t i = 0; i < most; ++i) {
        const auto& tokens = of_row[std::size_t(b)];
        rows.push_back(i < tokens.size() ? tokens[i] : b * T);
        far.push_back(2 * (i < tokens.size() ? tokens[i] : places++) + 1);
      }
    auto weights = Tensor<A, 2, base>::zeros({places, 2});
    const auto shown = dense_or_empty(context.key_mask);
    for (isize n = 0; n < N; ++n) {
      near[std::size_t(n)] = 2 * n;
      if (!shown || shown.data()[n]) weights.data()[2 * n + (global[n] ? 1 : 0)] = A(1);  // padding sees nothing
    }
    const auto flat = [](const X& y) {
      return y.dense().template reshape<2>({y.extent(0) * y.extent(1), y.extent(2)});
    };
    const isize G = isize(most), H = all_.options().num_heads, D = all_.options().head_dim;
    const X chosen = take_rows(flat(x), rows).template reshape<3>({B_, G, x.extent(2)});
    auto* const attentions = std::exchange(context.attentions, nullptr);  // the weights of others alone are shown
    const X seen = all_.attend(query_global(chosen).template reshape<4>({B_, G, H, D}),
                               key_global(x).template reshape<4>({B_, T, H, D}),
                               value_global(x).template reshape<4>({B_, T, H, D}), context);  // (B,G,C)
    context.attentions = attentions;
    using rows_t = std::decay_t<decltype(flat(x))>;
    const X y = combine_rows(std::vector<rows_t>{flat(local), flat(seen)}, {near, far}, rows_t(weights))
                    .slice(0, 0, N)
                    .template reshape<3>({B_, T, C});
    return o_proj(y);
  }
  void visit(visitor& v) {
    v("q_proj", q_proj);
    v("k_proj", k_proj);
    v("v_proj", v_proj);
    v("query_global", query_global);
    v("key_global", key_global);
    v("value_global", value_global);
    v("o_proj", o_proj);
  }

  typename B::column_linear q_proj, k_proj, v_proj, query_global, key_global, value_global;
  typename B::row_linear o_proj;

 private:
  static isize width(const GlobalAttentionOptions& o) { return o.attention.num_heads * o.attention.head_dim; }
  static AttentionOptions seeing(const GlobalAttentionOptions& o, visibility visible) {
    AttentionOptions a = o.attention;
    a.visible = visible;
    return a;
  }

  AttentionCore<B, no_positions> near_, all_;
  isize side_;
};

}  // namespace hft
