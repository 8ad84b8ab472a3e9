// SpanAttention: heads of attention beside heads that are convolutions, whose taps depend on the tokens they span.
// Jiang et al. 2020, arXiv 2008.02496 (ConvBERT).
#pragma once
#include <utility>
#include <vector>

#include <hft/layers/attention.hpp>
#include <hft/layers/channels.hpp>
#include <hft/layers/linear.hpp>
#include <hft/layers/token_convolution.hpp>
#include <hft/ops/combine_rows.hpp>
#include <hft/ops/softmax.hpp>

namespace hft {

struct SpanAttentionOptions {
  AttentionOptions attention;  // of its heads of attention; there are as many convolutions of their size
  isize taps = 9;
};

/// Checkpoint names: q_proj, k_proj, v_proj, o_proj, key_conv_attn_layer, conv_kernel_layer, conv_out_layer. The
/// convolutions see padding. (transformers.models.convbert.ConvBertSelfAttention)
template <class B>
class SpanAttention {
 public:
  using options = SpanAttentionOptions;

  explicit SpanAttention(const SpanAttentionOptions& o)
      : q_proj(o.attention.hidden_size, width(o), true),
        k_proj(o.attention.hidden_size, width(o), true),
        v_proj(o.attention.hidden_size, width(o), true),
        o_proj(2 * width(o), o.attention.hidden_size, true),
        key_conv_attn_layer(o.attention.hidden_size, width(o), o.taps),
        conv_kernel_layer(width(o), o.attention.num_heads * o.taps, true),
        conv_out_layer(o.attention.hidden_size, width(o), true),
        core_(o.attention),
        taps_(o.taps) {}

  /// (B,T,C) => (B,T,C)
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    const isize B_ = x.extent(0), T = x.extent(1), K = taps_, H = core_.options().num_heads,
                D = core_.options().head_dim, N = B_ * T * H;
    const auto [q, k, v] = project(x, q_proj, k_proj, v_proj);
    const X attended = core_(q, k, v, context, [](auto&, auto&) {});  // (B,T,H*D)

    const X spans = mul(key_conv_attn_layer(x), q);
    const auto taps = softmax(conv_kernel_layer(spans).template reshape<2>({N, K}));
    const X padded = pad_tokens(pad_tokens(X(conv_out_layer(x)), -(K / 2)), K / 2);
    std::vector<std::decay_t<decltype(taps)>> shifted;
    std::vector<std::vector<isize>> places(static_cast<std::size_t>(K));
    for (isize j = 0; j < K; ++j) {
      shifted.push_back(padded.slice(1, j, j + T).dense().template reshape<2>({N, D}));
      for (isize n = 0; n < N; ++n) places[std::size_t(j)].push_back(n * K + j);
    }
    const X convolved = combine_rows(shifted, places, taps).template reshape<3>({B_, T, H * D});
    return o_proj(concat_channels(attended, convolved));
  }
  void visit(visitor& v) {
    v("q_proj", q_proj);
    v("k_proj", k_proj);
    v("v_proj", v_proj);
    v("key_conv_attn_layer", key_conv_attn_layer);
    v("conv_kernel_layer", conv_kernel_layer);
    v("conv_out_layer", conv_out_layer);
    v("o_proj", o_proj);
  }

  typename B::column_linear q_proj, k_proj, v_proj;
  typename B::row_linear o_proj;
  SeparableConvolution<B> key_conv_attn_layer;
  typename B::linear conv_kernel_layer, conv_out_layer;

 private:
  static isize width(const SpanAttentionOptions& o) { return o.attention.num_heads * o.attention.head_dim; }

  AttentionCore<B, no_positions> core_;
  isize taps_;
};

}  // namespace hft
