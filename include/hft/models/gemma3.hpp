// Gemma 3 over text: Gemma 2 whose queries and keys are normalised, with no cap on scores, and rotary positions of
// other frequencies on layers with a window. Gemma Team 2025, arXiv 2503.19786.
// transformers/models/gemma3/modeling_gemma3.py
#pragma once
#include <hft/io/gguf_writer.hpp>
#include <hft/models/gemma2.hpp>

namespace hft {

/// transformers.Gemma3TextConfig; fields have its names and defaults. Its attn_logit_softcapping is not applied.
struct Gemma3TextConfig : Gemma2Config {
  RopeParametersOfTypes rope_parameters{};
  isize sliding_window_pattern = 6;  // every so manieth layer has no window, where layer_types say nothing

  static constexpr const char* model_type = "gemma3_text";
  static constexpr const char* class_prefix = "Gemma3";
  static constexpr std::pair<std::string_view, std::string_view> class_suffixes[] = {
      {"Model", "TextModel"}, {"ForSequenceClassification", "TextForSequenceClassification"}};
  // EmbeddingGemma (Vera et al. 2025, arXiv 2509.20354), which sees both directions.
  static constexpr std::string_view gguf_embedding = "gemma-embedding";
  static constexpr std::pair<std::string_view, std::string_view> gguf_classes[] = {{gguf_embedding, "Model"}};
  static constexpr name_tables names{.rules = rules,
                                     .gguf = gguf_plus_one_names,
                                     .gguf_pairs = false,
                                     .gguf_architecture = "gemma3",
                                     .gguf_classes = gguf_classes,
                                     .ignored = LlamaConfig::ignored,
                                     .class_suffixes = class_suffixes};

  Gemma3TextConfig();
  void fields(field_visitor& v);
  void check() const;

  bool slides(isize layer) const { return sliding_window && layer_slides(layer_types, layer, sliding_window_pattern); }
  RopeScaling rope(bool slides = false) const { return rope_of(rope_parameters.of(slides)); }
  void complete_from(const gguf_file& file);
  void complete_in(gguf_keys& keys) const {  // of both kinds of layers, whether there are such or not
    keys.real("rope.freq_base", rope_parameters.full_attention.rope_theta);
    keys.real("rope.freq_base_swa", rope_parameters.sliding_attention.rope_theta);
  }
  AttentionOptions attention(isize layer) const;
  TokenModelOptions<> text_model() const;
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Gemma3TextModel = DecoderModel<Gemma3TextConfig, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Gemma3ForCausalLM = CausalLM<Gemma3TextConfig, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Gemma3TextForSequenceClassification =
    DecoderForSequenceClassification<Gemma3TextConfig, LlamaBlock, RMSNorm, build<W, D, L, S>>;

struct gemma3_text
    : architecture<Gemma3TextConfig, Gemma3TextModel, Gemma3ForCausalLM, Gemma3TextForSequenceClassification> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE Gemma3TextConfig::Gemma3TextConfig() {
  vocab_size = 262208;
  max_position_embeddings = 131072;
  rope_parameters.full_attention.rope_theta = 1e6;
  final_logit_softcapping = attn_logit_softcapping = {};
  use_bidirectional_attention = false;
}

HFT_INLINE void Gemma3TextConfig::fields(field_visitor& v) {
  v("rope_scaling", rope_parameters.full_attention, v.old);  // beside rope_theta
  v("rope_local_base_freq", rope_parameters.sliding_attention.rope_theta, v.old);
  decoder_fields(*this, v, "hidden_activation");
  v("rms_norm_eps", rms_norm_eps, v.not_negative.gguf("attention.layer_norm_rms_epsilon"));
  v("attention_bias", attention_bias);
  v("query_pre_attn_scalar", query_pre_attn_scalar, v.extent);
  v("sliding_window", sliding_window, v.extent.gguf("attention.sliding_window"));
  v("sliding_window_pattern", sliding_window_pattern, v.old);
  v("_sliding_window_pattern", sliding_window_pattern, v.extent);
  v("layer_types", layer_types);
  v("final_logit_softcapping", final_logit_softcapping, v.not_negative);
  v("attn_logit_softcapping", attn_logit_softcapping, v.not_negative);
  v("use_bidirectional_attention", use_bidirectional_attention);
}

HFT_INLINE void Gemma3TextConfig::check() const {
  check_layer_types(layer_types, num_hidden_layers, model_type);
  check_decoder(*this, model_type);
}

HFT_INLINE void Gemma3TextConfig::complete_from(const gguf_file& file) {
  Gemma2Config::complete_from(file, rope_parameters.full_attention, 62);
  if (const auto* base = gguf_says(file, "rope.freq_base_swa"))
    rope_parameters.sliding_attention.rope_theta = base->as_f64();
  use_bidirectional_attention = file.at("general.architecture").as_string() == gguf_embedding;
}

HFT_INLINE AttentionOptions Gemma3TextConfig::attention(isize layer) const {
  AttentionOptions o = decoder_attention(*this, layer);
  o.bias = o.output_bias = attention_bias;
  o.scale = 1 / std::sqrt(f64(query_pre_attn_scalar));
  o.qk_norm = QKNormOptions{.eps = rms_norm_eps, .weight_from_zero = true};
  o.rope = rope(slides(layer));
  if (sees_both_ways()) {
    const isize each = sliding_window.value_or(0) / 2;  // the window is of both sides together
    o.visible = slides(layer) ? visibility::around(each, each) : visibility::everything();
  } else if (slides(layer)) {
    o.visible = visibility::window(*sliding_window);
  }
  return o;
}

HFT_INLINE TokenModelOptions<> Gemma3TextConfig::text_model() const {
  auto o = gemma_model(*this);
  for (auto& layer : o.layers) layer.norms = norms::both;
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
