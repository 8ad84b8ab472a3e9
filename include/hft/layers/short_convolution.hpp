// A gated convolution over the last few tokens, as LFM2 has it in the place of attention.
#pragma once
#include <hft/layers/attention_options.hpp>
#include <hft/layers/carried_state.hpp>
#include <hft/layers/linear.hpp>
#include <hft/layers/mamba.hpp>
#include <hft/ops/causal_conv1d.hpp>
#include <hft/ops/elementwise.hpp>

namespace hft {

/// out_proj(c * conv(b * x)), where in_proj makes b, c and x of each token, as AttentionOptions::convolution says; a
/// cache keeps the last inputs of the convolution. Amini et al. 2025, arXiv 2511.23404; transformers.Lfm2ShortConv.
/// Checkpoint names: in_proj, conv, out_proj.
template <class B>
class ShortConvolution {
 public:
  /// Throws value_error without options of it.
  explicit ShortConvolution(const AttentionOptions& o)
      : in_proj(o.hidden_size, 3 * o.hidden_size, convolution(o).bias),
        conv(o.hidden_size, convolution(o).taps, convolution(o).bias),
        out_proj(o.hidden_size, o.hidden_size, convolution(o).bias),
        layer_(o.layer) {}

  /// (B,T,C) => (B,T,C)
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    const isize C = x.extent(2);
    auto* kept = detail::kept_state<B>(context, layer_);
    const X bcx = in_proj(detail::without_padding(x, context.key_mask));
    const X seen = mul(bcx.slice(2, 0, C), bcx.slice(2, 2 * C, 3 * C));  // by the convolution
    const auto [y, state] = conv(seen, kept ? kept->template get<3>("conv") : State());
    if (kept) kept->set("conv", state), kept->tokens += x.extent(1);
    return out_proj(mul(bcx.slice(2, C, 2 * C), y));
  }

  void visit(visitor& v) {
    v("in_proj", in_proj);
    v("conv", conv);
    v("out_proj", out_proj);
  }

  typename B::column_linear in_proj;
  CausalConv1d<B> conv;
  typename B::row_linear out_proj;

 private:
  using State = Tensor<typename B::activation, 3, typename B::base>;  // (B,K-1,C)

  static const ShortConvolutionOptions& convolution(const AttentionOptions& o) {
    if (!o.convolution) throw value_error("ShortConvolution", "AttentionOptions::convolution", "its options", "none");
    return *o.convolution;
  }

  isize layer_;
};

}  // namespace hft
