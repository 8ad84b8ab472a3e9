// Gemma: Llama with wider heads, embeddings that are scaled, and norms whose weights are distances from 1.
// Gemma Team 2024, arXiv 2403.08295. transformers/models/gemma/modeling_gemma.py
#pragma once
#include <algorithm>
#include <cmath>
#include <optional>
#include <string_view>
#include <vector>

#include <hft/models/llama.hpp>

namespace hft {

/// transformers.GemmaConfig; fields have its names and defaults.
struct GemmaConfig : DecoderConfig {
  f64 rms_norm_eps = 1e-6;
  bool attention_bias = false;
  std::optional<bool> use_bidirectional_attention = {};  // whether tokens see those behind them, as for embeddings

  static constexpr const char* model_type = "gemma";
  static constexpr const char* class_prefix = "Gemma";
  static constexpr name_tables names{
      .rules = rules, .gguf = gguf_plus_one_names, .gguf_pairs = false, .ignored = LlamaConfig::ignored};

  GemmaConfig();
  void fields(field_visitor& v);
  void check() const;

  AttentionOptions attention(isize layer) const;
  TokenModelOptions<> text_model() const;
  bool sees_both_ways() const { return use_bidirectional_attention.value_or(false); }
  /// Norms begin as those of other models, with weights of 0.
  bool initialise(std::string_view path, const std::vector<isize>& shape, const random_stream&,
                  std::vector<f32>& values) const;
};

/// What the Gemmas have in common.
template <class Config>
TokenModelOptions<> gemma_model(const Config& c) {
  auto o =
      decoder_model(c, Config::class_prefix, {.size = c.hidden_size, .eps = c.rms_norm_eps, .weight_from_zero = true});
  o.embeddings.scale = std::sqrt(f64(c.hidden_size));
  o.causal = !c.sees_both_ways();
  return o;
}

template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GemmaModel = DecoderModel<GemmaConfig, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GemmaForCausalLM = CausalLM<GemmaConfig, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GemmaForSequenceClassification =
    DecoderForSequenceClassification<GemmaConfig, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GemmaForTokenClassification = DecoderForTokenClassification<GemmaConfig, LlamaBlock, RMSNorm, build<W, D, L, S>>;

struct gemma : architecture<GemmaConfig, GemmaModel, GemmaForCausalLM, GemmaForSequenceClassification,
                            GemmaForTokenClassification> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE GemmaConfig::GemmaConfig() {
  vocab_size = 256000;
  hidden_size = 3072;
  intermediate_size = 24576;
  num_hidden_layers = 28;
  num_attention_heads = 16;
  num_key_value_heads = 16;
  head_dim = 256;
  hidden_act = "gelu_pytorch_tanh";
  max_position_embeddings = 8192;
  pad_token_id = 0;
  eos_token_id = 1;
  bos_token_id = 2;
  tie_word_embeddings = true;
}

HFT_INLINE void GemmaConfig::fields(field_visitor& v) {
  DecoderConfig::fields(v);
  v("rms_norm_eps", rms_norm_eps, v.not_negative.gguf("attention.layer_norm_rms_epsilon"));
  v("attention_bias", attention_bias);
  v("use_bidirectional_attention", use_bidirectional_attention);
}

HFT_INLINE void GemmaConfig::check() const { check_decoder(*this, model_type); }

HFT_INLINE AttentionOptions GemmaConfig::attention(isize layer) const {
  AttentionOptions o = decoder_attention(*this, layer);
  o.bias = o.output_bias = attention_bias;
  if (sees_both_ways()) o.visible = visibility::everything();
  return o;
}

HFT_INLINE TokenModelOptions<> GemmaConfig::text_model() const {
  auto o = gemma_model(*this);
  if (hidden_act.view() == "gelu")  // as the first files call what they were trained with
    for (auto& layer : o.layers) layer.mlp.activation = gelu_new;
  return o;
}

HFT_INLINE bool GemmaConfig::initialise(std::string_view path, const std::vector<isize>&, const random_stream&,
                                        std::vector<f32>& values) const {
  if (!path.ends_with("norm.weight")) return false;
  std::fill(values.begin(), values.end(), 0.0f);
  return true;
}

#endif  // HFT_DEFINES

}  // namespace hft
