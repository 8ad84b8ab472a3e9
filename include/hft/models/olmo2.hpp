// OLMo 2: Llama that normalises what attention and MLP give, and queries and keys over all heads together.
// OLMo Team 2024, arXiv 2501.00656. transformers/models/olmo2/modeling_olmo2.py
#pragma once
#include <hft/models/llama.hpp>

namespace hft {

/// Names of norms behind attention and MLP, as OLMo 2 and EXAONE 4 have them.
inline constexpr name_rule post_norm_rules[] = {
    {"layers.*.input_layernorm", "layers.*.post_attention_layernorm"},
    {"layers.*.post_attention_layernorm", "layers.*.post_feedforward_layernorm"},
    decoder_rules[0]};

/// transformers.Olmo2Config; fields have its names and defaults.
struct Olmo2Config : DecoderConfig {
  f64 rms_norm_eps = 1e-5;
  bool attention_bias = false;

  static constexpr const char* model_type = "olmo2";
  static constexpr const char* class_prefix = "Olmo2";
  static bool gguf_has_window(const gguf_file& file) { return gguf_says(file, "attention.sliding_window") != nullptr; }
  static constexpr name_tables names{.rules = post_norm_rules,
                                     .gguf = gguf_post_norm_names,
                                     .gguf_pairs = false,
                                     .gguf_told = [](const gguf_file& file) { return !gguf_has_window(file); },
                                     .ignored = LlamaConfig::ignored};

  Olmo2Config();
  void fields(field_visitor& v);
  void check() const;

  AttentionOptions attention(isize layer) const;
  TokenModelOptions<> text_model() const;
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Olmo2Model = DecoderModel<Olmo2Config, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Olmo2ForCausalLM = CausalLM<Olmo2Config, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Olmo2ForSequenceClassification =
    DecoderForSequenceClassification<Olmo2Config, LlamaBlock, RMSNorm, build<W, D, L, S>>;

struct olmo2 : architecture<Olmo2Config, Olmo2Model, Olmo2ForCausalLM, Olmo2ForSequenceClassification> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE Olmo2Config::Olmo2Config() {
  vocab_size = 50304;
  pad_token_id = 1;
  bos_token_id = {};
  eos_token_id = 50279;
}

HFT_INLINE void Olmo2Config::fields(field_visitor& v) {
  DecoderConfig::fields(v);
  v("rms_norm_eps", rms_norm_eps, v.not_negative.gguf("attention.layer_norm_rms_epsilon"));
  v("attention_bias", attention_bias);
}

HFT_INLINE void Olmo2Config::check() const { check_decoder(*this, model_type); }

HFT_INLINE AttentionOptions Olmo2Config::attention(isize layer) const {
  AttentionOptions o = decoder_attention(*this, layer);
  o.bias = o.output_bias = attention_bias;
  o.qk_norm = QKNormOptions{.eps = rms_norm_eps, .per_head = false};
  return o;
}

HFT_INLINE TokenModelOptions<> Olmo2Config::text_model() const {
  auto o = decoder_model(*this, class_prefix, {.size = hidden_size, .eps = rms_norm_eps});
  for (auto& layer : o.layers) layer.norms = norms::after;
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
