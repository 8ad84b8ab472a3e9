// Blocks: a norm, an attention and an MLP around the residual stream.
#pragma once
#include <iterator>
#include <vector>

#include <hft/layers/context.hpp>
#include <hft/layers/norm.hpp>
#include <hft/module.hpp>
#include <hft/ops/elementwise.hpp>

namespace hft {

namespace detail {
// An iterator over the blocks of a config, which are made where they are asked for.
template <class Block, class Config>
struct block_maker {
  using iterator_category = std::forward_iterator_tag;
  using value_type = Block;
  using difference_type = isize;
  using pointer = void;
  using reference = Block;

  const Config* config;
  isize layer;
  Block operator*() const { return Block(*config, layer); }
  block_maker& operator++() { return ++layer, *this; }
  bool operator==(const block_maker& other) const { return layer == other.layer; }
};
}  // namespace detail

/// Blocks 0 to n - 1 of a config. The vector is made in one piece: one that grows costs each model's compiler the code
/// that moves its blocks.
template <class Block, class Config>
std::vector<Block> make_layers(const Config& config, isize n) {
  using maker = detail::block_maker<Block, Config>;
  return std::vector<Block>(maker{&config, 0}, maker{&config, n});
}

/// x through all layers, in order. Where the pass asks for gradient checkpointing, each layer is one checkpoint.
template <class Layers, class X, class Context>
X run_layers(const Layers& layers, X x, Context& context) {
  for (const auto& layer : layers) {
    if constexpr (requires { context.gradient_checkpointing; }) {
      context.dropout.begin_layer(&layer - layers.data());
      if (context.gradient_checkpointing) {
        const auto once = [&layer, context, pass = detail::current_pass()](const X& in) mutable {
          detail::current_pass() = pass;
          return X(layer(in, context));
        };
        x = gradient_checkpoint(once, x);
        continue;
      }
    }
    x = layer(x, context);
  }
  return x;
}

/// The pre-norm block of Llama and most decoders after it:
///   h = x + attention(norm(x));  y = h + mlp(norm(h))
/// It is built from config.norm(), config.attention(layer) and config.mlp(layer).
/// Checkpoint names: input_layernorm, self_attn, post_attention_layernorm, mlp.
template <class Norm, class Attention, class Mlp>
class PreNormBlock {
 public:
  template <class Config>
  PreNormBlock(const Config& config, isize layer)
      : input_layernorm(config.norm()),
        self_attn(config.attention(layer)),
        post_attention_layernorm(config.norm()),
        mlp(config.mlp(layer)) {}

  /// (B,T,C) => (B,T,C)
  template <class X, class Context>
  X operator()(const X& x, Context& context) const {
    const X h = add(x, self_attn(input_layernorm(x), context));
    return add(h, mlp(post_attention_layernorm(h)));
  }

  void visit(visitor& v) {
    v("input_layernorm", input_layernorm);
    v("self_attn", self_attn);
    v("post_attention_layernorm", post_attention_layernorm);
    v("mlp", mlp);
  }

  Norm input_layernorm;
  Attention self_attn;
  Norm post_attention_layernorm;
  Mlp mlp;
};

}  // namespace hft
