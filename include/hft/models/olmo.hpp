// OLMo: Llama whose norms are LayerNorms without weights, with projections that are cut off.
// Groeneveld et al. 2024, arXiv 2402.00838. transformers/models/olmo/modeling_olmo.py
#pragma once
#include <hft/io/gguf_writer.hpp>
#include <hft/models/llama.hpp>

namespace hft {

/// transformers.OlmoConfig; fields have its names and defaults.
struct OlmoConfig : DecoderConfig {
  bool attention_bias = false;
  std::optional<f64> clip_qkv = {};  // queries, keys and values are cut off at +- this

  static constexpr const char* model_type = "olmo";
  static constexpr const char* class_prefix = "Olmo";
  static constexpr name_tables names{.rules = rules, .gguf = gguf_decoder_names, .ignored = LlamaConfig::ignored};

  OlmoConfig();
  void fields(field_visitor& v);
  void check() const;

  void complete_in(gguf_keys& keys) const { keys.real("attention.layer_norm_epsilon", 1e-5); }
  AttentionOptions attention(isize layer) const;
  TokenModelOptions<> text_model() const;
};

template <class B>
using OlmoBlock = PreNormBlock<LayerNorm<B>, SelfAttention<B, rope>, GatedMLP<B>>;

template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using OlmoModel = DecoderModel<OlmoConfig, OlmoBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using OlmoForCausalLM = CausalLM<OlmoConfig, OlmoBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using OlmoForSequenceClassification =
    DecoderForSequenceClassification<OlmoConfig, OlmoBlock, LayerNorm, build<W, D, L, S>>;

struct olmo : architecture<OlmoConfig, OlmoModel, OlmoForCausalLM, OlmoForSequenceClassification> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE OlmoConfig::OlmoConfig() {
  vocab_size = 50304;
  pad_token_id = 1;
  bos_token_id = {};
  eos_token_id = 50279;
}

HFT_INLINE void OlmoConfig::fields(field_visitor& v) {
  DecoderConfig::fields(v);
  v("attention_bias", attention_bias);
  v("clip_qkv", clip_qkv, v.not_negative.gguf("attention.clamp_kqv"));
}

HFT_INLINE void OlmoConfig::check() const { check_decoder(*this, model_type); }

HFT_INLINE AttentionOptions OlmoConfig::attention(isize layer) const {
  AttentionOptions o = decoder_attention(*this, layer);
  o.bias = o.output_bias = attention_bias;
  o.clip_qkv = clip_qkv;
  return o;
}

HFT_INLINE TokenModelOptions<> OlmoConfig::text_model() const {
  return decoder_model(*this, class_prefix, {.size = hidden_size, .weight = false});
}

#endif  // HFT_DEFINES

}  // namespace hft
