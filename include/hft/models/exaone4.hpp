// EXAONE 4.0: Llama that normalises what attention and MLP give, and each head's queries and keys; layers without a
// window have no positions. LG AI Research 2025, arXiv 2507.11407. transformers/models/exaone4/modeling_exaone4.py
#pragma once
#include <algorithm>
#include <cstddef>

#include <hft/models/olmo2.hpp>

namespace hft {

/// transformers.Exaone4Config; fields have its names and defaults.
struct Exaone4Config : DecoderConfig {
  f64 rms_norm_eps = 1e-5;
  std::optional<isize> sliding_window = 4096;  // keys that a query sees on a layer with a window; none: all see all
  NumberOrText sliding_window_pattern = 4;     // every so manieth layer has none, where layer_types say nothing
  std::vector<std::string> layer_types = {};

  static constexpr const char* model_type = "exaone4";
  static constexpr const char* class_prefix = "Exaone4";
  static constexpr name_tables names{.question_answering_prefix = "transformer",
                                     .rules = post_norm_rules,
                                     .gguf = gguf_post_norm_names,
                                     .gguf_pairs = false,
                                     .ignored = LlamaConfig::ignored};

  Exaone4Config();
  void fields(field_visitor& v);
  void check() const;

  bool slides(isize layer) const {
    return sliding_window && layer_slides(layer_types, layer, sliding_window_pattern.number);
  }
  void complete_from(const gguf_file& file);
  AttentionOptions attention(isize layer) const;
  TokenModelOptions<> text_model() const;
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Exaone4Model = DecoderModel<Exaone4Config, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Exaone4ForCausalLM = CausalLM<Exaone4Config, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Exaone4ForSequenceClassification =
    DecoderForSequenceClassification<Exaone4Config, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Exaone4ForTokenClassification =
    DecoderForTokenClassification<Exaone4Config, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Exaone4ForQuestionAnswering = DecoderForQuestionAnswering<Exaone4Config, LlamaBlock, RMSNorm, build<W, D, L, S>>;

struct exaone4 : architecture<Exaone4Config, Exaone4Model, Exaone4ForCausalLM, Exaone4ForSequenceClassification,
                              Exaone4ForTokenClassification, Exaone4ForQuestionAnswering> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE Exaone4Config::Exaone4Config() {
  vocab_size = 102400;
  intermediate_size = 16384;
  num_key_value_heads = 32;
  bos_token_id = 0;
  eos_token_id = 2;
}

HFT_INLINE void Exaone4Config::fields(field_visitor& v) {
  DecoderConfig::fields(v);
  v("rms_norm_eps", rms_norm_eps, v.not_negative.gguf("attention.layer_norm_rms_epsilon"));
  v("sliding_window", sliding_window, v.extent.gguf("attention.sliding_window"));
  v("sliding_window_pattern", sliding_window_pattern);
  v("layer_types", layer_types);
}

HFT_INLINE void Exaone4Config::complete_from(const gguf_file& file) {
  DecoderConfig::complete_from(file);
  layer_types = gguf_layer_types(file);
  if (gguf_says(file, "attention.sliding_window")) return;
  sliding_window = {};
  layer_types.assign(std::size_t(std::max<isize>(num_hidden_layers, 0)), full_attention);
}

HFT_INLINE void Exaone4Config::check() const {
  if (layer_types.empty() && (!sliding_window || sliding_window_pattern.number < 1))
    throw config_error(model_type, "layer_types", "one for each layer where no number is their pattern", "none");
  check_layer_types(layer_types, num_hidden_layers, model_type);
  check_decoder(*this, model_type);
}

HFT_INLINE AttentionOptions Exaone4Config::attention(isize layer) const {
  AttentionOptions o = decoder_attention(*this, layer);
  o.qk_norm = QKNormOptions{.eps = rms_norm_eps};
  o.rotary = !sliding_window || slides(layer);
  if (slides(layer)) o.visible = visibility::window(*sliding_window);
  return o;
}

HFT_INLINE TokenModelOptions<> Exaone4Config::text_model() const {
  auto o = decoder_model(*this, class_prefix, {.size = hidden_size, .eps = rms_norm_eps});
  for (auto& layer : o.layers) layer.norms = norms::after;
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
