// Gemma 2: Gemma with norms on both sides of attention and MLP, scores and logits that are capped, and windows on every
// second layer. Gemma Team 2024, arXiv 2408.00118. transformers/models/gemma2/modeling_gemma2.py
#pragma once
#include <optional>
#include <string>
#include <vector>

#include <hft/models/gemma.hpp>

namespace hft {

/// transformers.Gemma2Config; fields have its names and defaults. Its hidden_act is called hidden_activation.
struct Gemma2Config : GemmaConfig {
  isize query_pre_attn_scalar = 256;           // scores are divided by its root
  std::optional<isize> sliding_window = 4096;  // keys that a query sees on a layer with a window, itself included
  std::vector<std::string> layer_types = {};   // default: every second layer, from the first on, has a window
  std::optional<f64> final_logit_softcapping = 30.0, attn_logit_softcapping = 50.0;

  static constexpr const char* model_type = "gemma2";
  static constexpr const char* class_prefix = "Gemma2";
  static constexpr name_rule rules[] = {
      {"layers.*.post_self_attn_layernorm", "layers.*.post_attention_layernorm"},
      {"layers.*.post_attention_layernorm", "layers.*.pre_feedforward_layernorm"},
      {"layers.*.post_mlp_layernorm", "layers.*.post_feedforward_layernorm"},
      decoder_rules[0],
  };
  static constexpr name_tables names{
      .rules = rules, .gguf = gguf_plus_one_names, .gguf_pairs = false, .ignored = LlamaConfig::ignored};

  Gemma2Config();
  void fields(field_visitor& v);
  void check() const;

  bool slides(isize layer) const { return sliding_window && layer_slides(layer_types, layer, 2); }
  void complete_from(const gguf_file& file) { complete_from(file, rope_parameters, 46); }
  AttentionOptions attention(isize layer) const;
  TokenModelOptions<> text_model() const;
  LMHeadOptions lm_head() const;

 protected:
  /// What no file says: the scores of the largest one, of so many layers, are divided by the root of what the hidden
  /// size would give heads, those of others by that of the heads' own.
  void complete_from(const gguf_file& file, RopeParameters& rope, isize layers_of_largest) {
    DecoderConfig::complete_from(file, rope);
    layer_types = gguf_layer_types(file);
    query_pre_attn_scalar = num_hidden_layers == layers_of_largest ? hidden_size / num_attention_heads : head_size();
  }
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Gemma2Model = DecoderModel<Gemma2Config, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Gemma2ForCausalLM = CausalLM<Gemma2Config, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Gemma2ForSequenceClassification =
    DecoderForSequenceClassification<Gemma2Config, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Gemma2ForTokenClassification =
    DecoderForTokenClassification<Gemma2Config, LlamaBlock, RMSNorm, build<W, D, L, S>>;

struct gemma2 : architecture<Gemma2Config, Gemma2Model, Gemma2ForCausalLM, Gemma2ForSequenceClassification,
                             Gemma2ForTokenClassification> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE Gemma2Config::Gemma2Config() {
  hidden_size = 2304;
  intermediate_size = 9216;
  num_hidden_layers = 26;
  num_attention_heads = 8;
  num_key_value_heads = 4;
}

HFT_INLINE void Gemma2Config::fields(field_visitor& v) {
  decoder_fields(*this, v, "hidden_activation");
  v("rms_norm_eps", rms_norm_eps, v.not_negative.gguf("attention.layer_norm_rms_epsilon"));
  v("attention_bias", attention_bias);
  v("query_pre_attn_scalar", query_pre_attn_scalar, v.extent);
  v("sliding_window", sliding_window, v.extent.gguf("attention.sliding_window"));
  v("layer_types", layer_types);
  v("final_logit_softcapping", final_logit_softcapping, v.not_negative.gguf("final_logit_softcapping"));
  v("attn_logit_softcapping", attn_logit_softcapping, v.not_negative.gguf("attn_logit_softcapping"));
  v("use_bidirectional_attention", use_bidirectional_attention);
}

HFT_INLINE void Gemma2Config::check() const {
  check_layer_types(layer_types, num_hidden_layers, model_type);
  if (sees_both_ways()) throw unsupported_error(model_type, "use_bidirectional_attention", "false", "true");
  check_decoder(*this, model_type);
}

HFT_INLINE AttentionOptions Gemma2Config::attention(isize layer) const {
  AttentionOptions o = GemmaConfig::attention(layer);
  o.scale = 1 / std::sqrt(f64(query_pre_attn_scalar));
  o.softcap = attn_logit_softcapping.value_or(0);
  if (slides(layer)) o.visible = visibility::window(*sliding_window);
  return o;
}

HFT_INLINE TokenModelOptions<> Gemma2Config::text_model() const {
  auto o = gemma_model(*this);
  for (auto& layer : o.layers) layer.norms = norms::both;
  return o;
}

HFT_INLINE LMHeadOptions Gemma2Config::lm_head() const {
  auto o = decoder_lm_head(*this);
  o.logit_softcap = final_logit_softcapping.value_or(0);
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
