// ERNIE 4.5: Llama that turns neighbours, not halves. transformers/models/ernie4_5/modeling_ernie4_5.py
#pragma once
#include <hft/models/llama.hpp>

namespace hft {

/// transformers.Ernie4_5Config; fields have its names and defaults.
struct Ernie4_5Config : DecoderConfig {
  f64 rms_norm_eps = 1e-5;
  bool use_bias = false;  // of all linear layers but the head

  static constexpr const char* model_type = "ernie4_5";
  static constexpr const char* class_prefix = "Ernie4_5";
  static constexpr name_tables names{
      .rules = rules, .gguf = gguf_decoder_names, .gguf_pairs = false, .ignored = LlamaConfig::ignored};

  Ernie4_5Config();
  void fields(field_visitor& v);
  void check() const;

  AttentionOptions attention(isize layer) const;
  TokenModelOptions<> text_model() const;
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Ernie4_5Model = DecoderModel<Ernie4_5Config, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Ernie4_5ForCausalLM = CausalLM<Ernie4_5Config, LlamaBlock, RMSNorm, build<W, D, L, S>>;

struct ernie4_5 : architecture<Ernie4_5Config, Ernie4_5Model, Ernie4_5ForCausalLM> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE Ernie4_5Config::Ernie4_5Config() {
  vocab_size = 103424;
  hidden_size = 1024;
  intermediate_size = 3072;
  num_hidden_layers = 18;
  num_attention_heads = 16;
  num_key_value_heads = 2;
  head_dim = 128;
  max_position_embeddings = 131072;
  pad_token_id = 0;
  eos_token_id = 2;
  rope_parameters.rope_theta = 5e5;
  tie_word_embeddings = true;
}

HFT_INLINE void Ernie4_5Config::fields(field_visitor& v) {
  DecoderConfig::fields(v);
  v("rms_norm_eps", rms_norm_eps, v.not_negative.gguf("attention.layer_norm_rms_epsilon"));
  v("use_bias", use_bias);
  v("head_dim", head_dim, v.extent);  // unset, it is written as null: absent is 128
}

HFT_INLINE void Ernie4_5Config::check() const { check_decoder(*this, model_type); }

HFT_INLINE AttentionOptions Ernie4_5Config::attention(isize layer) const {
  AttentionOptions o = decoder_attention(*this, layer);
  o.bias = o.output_bias = use_bias;
  o.interleaved = true;
  return o;
}

HFT_INLINE TokenModelOptions<> Ernie4_5Config::text_model() const {
  auto o = decoder_model(*this, class_prefix, {.size = hidden_size, .eps = rms_norm_eps});
  for (auto& layer : o.layers) layer.mlp.bias = use_bias;
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
