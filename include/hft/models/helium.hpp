// Helium: Llama that turns neighbours, not halves. transformers/models/helium/modeling_helium.py
#pragma once
#include <hft/models/llama.hpp>

namespace hft {

/// transformers.HeliumConfig; fields have its names and defaults.
struct HeliumConfig : DecoderConfig {
  f64 rms_norm_eps = 1e-8;
  bool attention_bias = false;  // of queries, keys and values
  bool mlp_bias = false;

  static constexpr const char* model_type = "helium";
  static constexpr const char* class_prefix = "Helium";
  static constexpr name_tables names{.rules = rules, .ignored = LlamaConfig::ignored};

  HeliumConfig();
  void fields(field_visitor& v);
  void check() const;

  AttentionOptions attention(isize layer) const;
  TokenModelOptions<> text_model() const;
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using HeliumModel = DecoderModel<HeliumConfig, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using HeliumForCausalLM = CausalLM<HeliumConfig, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using HeliumForSequenceClassification =
    DecoderForSequenceClassification<HeliumConfig, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using HeliumForTokenClassification =
    DecoderForTokenClassification<HeliumConfig, LlamaBlock, RMSNorm, build<W, D, L, S>>;

struct helium : architecture<HeliumConfig, HeliumModel, HeliumForCausalLM, HeliumForSequenceClassification,
                             HeliumForTokenClassification> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE HeliumConfig::HeliumConfig() {
  vocab_size = 48000;
  hidden_size = 2560;
  intermediate_size = 7040;
  num_hidden_layers = 24;
  num_attention_heads = 20;
  num_key_value_heads = 20;
  head_dim = 128;
  max_position_embeddings = 4096;
  pad_token_id = 3;
  eos_token_id = 2;
  rope_parameters.rope_theta = 1e5;
}

HFT_INLINE void HeliumConfig::fields(field_visitor& v) {
  DecoderConfig::fields(v);
  v("rms_norm_eps", rms_norm_eps, v.not_negative);
  v("attention_bias", attention_bias);
  v("mlp_bias", mlp_bias);
}

HFT_INLINE void HeliumConfig::check() const {
  check_decoder(*this, model_type);
  if (num_attention_heads * head_size() != hidden_size)  // its last projection is square
    throw config_error(model_type, "head_dim", "num_attention_heads * head_dim to be hidden_size",
                       detail::joined(num_attention_heads, " * ", head_size(), " and ", hidden_size));
}

HFT_INLINE AttentionOptions HeliumConfig::attention(isize layer) const {
  AttentionOptions o = decoder_attention(*this, layer);
  o.bias = attention_bias;
  o.interleaved = true;
  return o;
}

HFT_INLINE TokenModelOptions<> HeliumConfig::text_model() const {
  auto o = decoder_model(*this, class_prefix, {.size = hidden_size, .eps = rms_norm_eps});
  for (auto& layer : o.layers) layer.mlp.bias = mlp_bias;
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
