// RWKV's block: tokens see each other by a decaying mean of values, and by what the token before them was.
// Peng et al. 2023, arXiv 2305.13048.
#pragma once
#include <string_view>

#include <hft/layers/cache.hpp>
#include <hft/layers/linear.hpp>
#include <hft/layers/norm.hpp>
#include <hft/ops/activation.hpp>
#include <hft/ops/concat_tokens.hpp>
#include <hft/ops/elementwise.hpp>
#include <hft/ops/negative_exp.hpp>
#include <hft/ops/wkv.hpp>

namespace hft {

struct RwkvBlockOptions {
  NormOptions norm;
  isize hidden_size, attention_hidden_size, intermediate_size;
  isize layer = 0;  // its place in the cache
  // Unless a pass trains, so that half precision has no infinities:
  f64 scale = 1;         // of what is added to the residual stream,
  f64 stream_scale = 1;  // and of the stream behind the block
};

/// Each token beside the one before it, and shares of both.
template <class B>
class TokenShift {
 public:
  using kept_token = Tensor<typename B::activation, 3, typename B::base>;
  using share = typename B::template parameter<typename B::activation, 3>;  // (1,1,C)

  /// x (B,T,C); before its first token stands the one that a cache keeps for the layer by that name, or zeros.
  template <class X, class Context>
  static X tokens_before(const X& x, Context& context, isize layer, std::string_view name) {
    const isize T = x.extent(1);
    kept_token first;
    if constexpr (requires { context.cache; })
      if (context.cache) {
        auto& kept = context.cache->state(layer);
        first = kept.template get<3>(name);
        kept.set(name, x.slice(1, T - 1, T));
      }
    const X begin(first ? first : kept_token::zeros({x.extent(0), 1, x.extent(2)}));
    return T > 1 ? concat_tokens(begin, x.slice(1, 0, T - 1)) : begin;
  }
  /// s x + (1 - s) before, from before and x - before (B,T,C)
  template <class X>
  static X mixed(const X& before, const X& step, const share& s) {
    return add(before, mul_rows(step, s.template reshape<1>({s.size()})));
  }
};

/// A mean of the values of all tokens so far, which the receptance gates. Checkpoint names: time_decay, time_first,
/// time_mix_key, time_mix_value, time_mix_receptance, key, value, receptance, output.
/// (transformers.RwkvSelfAttention)
template <class B>
class TimeMixing : TokenShift<B> {
 public:
  explicit TimeMixing(const RwkvBlockOptions& o)
      : time_decay(decltype(time_decay)::unallocated({o.attention_hidden_size})),
        time_first(decltype(time_first)::unallocated({o.attention_hidden_size})),
        time_mix_key(TokenShift<B>::share::unallocated({1, 1, o.hidden_size})),
        time_mix_value(TokenShift<B>::share::unallocated({1, 1, o.hidden_size})),
        time_mix_receptance(TokenShift<B>::share::unallocated({1, 1, o.hidden_size})),
        key(o.hidden_size, o.attention_hidden_size),
        value(o.hidden_size, o.attention_hidden_size),
        receptance(o.hidden_size, o.attention_hidden_size),
        output(o.attention_hidden_size, o.hidden_size),
        layer_(o.layer) {}

  /// (B,T,C) => (B,T,C)
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    const X before = this->tokens_before(x, context, layer_, "attention"), step = add(x, scale(before, -1));
    const X k = key(this->mixed(before, step, time_mix_key)), v = value(this->mixed(before, step, time_mix_value));
    const X r = receptance(this->mixed(before, step, time_mix_receptance));
    const auto given = [&](const X& y) { return output(gated(r, y, Activation::sigmoid)); };
    const auto decay = negative_exp(time_decay);
    if constexpr (requires { context.cache; })
      if (context.cache) {
        auto& kept = context.cache->state(layer_);
        const auto [y, last] = wkv(k, v, decay, time_first, kept.template get<3>("state"));
        kept.set("state", last);
        kept.tokens += x.extent(1);
        return given(y);
      }
    return given(wkv(k, v, decay, time_first).first);
  }
  void visit(visitor& v) {
    v("time_decay", time_decay);
    v("time_first", time_first);
    v("time_mix_key", time_mix_key);
    v("time_mix_value", time_mix_value);
    v("time_mix_receptance", time_mix_receptance);
    v("key", key);
    v("value", value);
    v("receptance", receptance);
    v("output", output);
  }

  typename B::template parameter<typename B::activation, 1> time_decay, time_first;  // (A)
  typename TokenShift<B>::share time_mix_key, time_mix_value, time_mix_receptance;
  typename B::column_linear key, value, receptance;
  typename B::row_linear output;

 private:
  isize layer_;
};

/// An MLP with relu(x)^2 which the receptance gates. Checkpoint names: time_mix_key, time_mix_receptance, key,
/// receptance, value. (transformers.RwkvFeedForward)
template <class B>
class ChannelMixing : TokenShift<B> {
 public:
  explicit ChannelMixing(const RwkvBlockOptions& o)
      : time_mix_key(TokenShift<B>::share::unallocated({1, 1, o.hidden_size})),
        time_mix_receptance(TokenShift<B>::share::unallocated({1, 1, o.hidden_size})),
        key(o.hidden_size, o.intermediate_size),
        receptance(o.hidden_size, o.hidden_size),
        value(o.intermediate_size, o.hidden_size),
        layer_(o.layer) {}

  /// (B,T,C) => (B,T,C)
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    const X before = this->tokens_before(x, context, layer_, "feed_forward"), step = add(x, scale(before, -1));
    const X fed = value(activate(X(key(this->mixed(before, step, time_mix_key))), Activation::relu2));
    return gated(X(receptance(this->mixed(before, step, time_mix_receptance))), fed, Activation::sigmoid);
  }
  void visit(visitor& v) {
    v("time_mix_key", time_mix_key);
    v("time_mix_receptance", time_mix_receptance);
    v("key", key);
    v("receptance", receptance);
    v("value", value);
  }

  typename TokenShift<B>::share time_mix_key, time_mix_receptance;
  typename B::column_linear key;
  typename B::linear receptance;
  typename B::row_linear value;

 private:
  isize layer_;
};

/// h = x + s attention(ln1(x));  y = c (h + s feed_forward(ln2(h))), where in training s = c = 1
/// Checkpoint names: ln1, attention, ln2, feed_forward.
template <class B>
class RwkvBlock {
 public:
  using options = RwkvBlockOptions;

  explicit RwkvBlock(const RwkvBlockOptions& o)
      : ln1(o.norm), attention(o), ln2(o.norm), feed_forward(o), scale_(o.scale), stream_scale_(o.stream_scale) {}

  /// (B,T,C) => (B,T,C)
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    bool trains = false;
    if constexpr (requires { context.training; }) trains = context.training;
    const auto times = [&](const X& y, f64 factor) { return trains || factor == 1 ? y : scale(y, factor); };
    const X h = add(x, times(attention(ln1(x), context), scale_));
    return times(add(h, times(feed_forward(ln2(h), context), scale_)), stream_scale_);
  }
  void visit(visitor& v) {
    v("ln1", ln1);
    v("attention", attention);
    v("ln2", ln2);
    v("feed_forward", feed_forward);
  }

  LayerNorm<B> ln1;
  TimeMixing<B> attention;
  LayerNorm<B> ln2;
  ChannelMixing<B> feed_forward;

 private:
  f64 scale_, stream_scale_;
};

}  // namespace hft
