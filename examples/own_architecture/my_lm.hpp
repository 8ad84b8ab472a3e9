// An architecture of one's own: LayerNorm instead of RMSNorm, ALiBi instead of rotary positions, a plain gelu MLP.
// The composition below is all of it; loading, saving, generation, other dtypes and devices come with the layers.
#pragma once
#include <hft/layers/attention.hpp>
#include <hft/layers/mlp.hpp>
#include <hft/layers/positions.hpp>
#include <hft/models/decoder.hpp>
#include <hft/models/llama.hpp>
#include <hft/type_list.hpp>

namespace example {

/// Llama's fields, under a model_type of its own.
struct MyConfig : hft::LlamaConfig {
  static constexpr const char* model_type = "my_lm";
  static constexpr const char* class_prefix = "My";
};

template <class B>
using MyBlock = hft::PreNormBlock<hft::LayerNorm<B>, hft::SelfAttention<B, hft::alibi>, hft::MLP<B, hft::gelu>>;

template <class W = hft::f32, hft::Device D = hft::cpu, class... Rest>
using MyForCausalLM = hft::CausalLM<MyConfig, MyBlock, hft::LayerNorm, hft::build<W, D, Rest...>>;

/// Its entry in a list of architectures, for AutoModelForCausalLM.
struct my_arch {
  static constexpr const char* model_type = MyConfig::model_type;
  template <class W, class D>
  using models = hft::type_list<MyForCausalLM<W, D>>;
};

}  // namespace example
