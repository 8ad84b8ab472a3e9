// Granite: Llama with factors on embeddings, residual sums, scores and logits.
// transformers/models/granite/modeling_granite.py
#pragma once
#include <hft/models/llama.hpp>

namespace hft {

/// transformers.GraniteConfig; fields have its names and defaults.
struct GraniteConfig : LlamaConfig {
  f64 embedding_multiplier = 1, residual_multiplier = 1;
  f64 attention_multiplier = 1;  // of the scores, in the place of 1 / sqrt(head_dim)
  f64 logits_scaling = 1;        // logits are divided by it

  static constexpr const char* model_type = "granite";
  static constexpr const char* class_prefix = "Granite";

  void fields(field_visitor& v);
  TokenModelOptions<> text_model() const;
  LMHeadOptions lm_head() const {
    auto o = LlamaConfig::lm_head();
    o.logit_scale = 1 / logits_scaling;
    return o;
  }
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GraniteModel = DecoderModel<GraniteConfig, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GraniteForCausalLM = CausalLM<GraniteConfig, LlamaBlock, RMSNorm, build<W, D, L, S>>;

struct granite : architecture<GraniteConfig, GraniteModel, GraniteForCausalLM> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void GraniteConfig::fields(field_visitor& v) {
  LlamaConfig::fields(v);
  v("embedding_multiplier", embedding_multiplier, v.anything.gguf("embedding_scale"));
  v("residual_multiplier", residual_multiplier, v.anything.gguf("residual_scale"));
  v("attention_multiplier", attention_multiplier, v.anything.gguf("attention.scale"));
  v("logits_scaling", logits_scaling, v.anything.gguf("logit_scale"));
}

HFT_INLINE TokenModelOptions<> GraniteConfig::text_model() const {
  auto o = LlamaConfig::text_model();
  o.where = class_prefix;
  o.embeddings.scale = embedding_multiplier;
  for (auto& layer : o.layers) {
    layer.attention.scale = attention_multiplier;
    layer.residual_scale = residual_multiplier;
  }
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
