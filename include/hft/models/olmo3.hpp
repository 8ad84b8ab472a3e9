// OLMo 3: OLMo 2 with a window on three of four layers, and rotary positions of other frequencies there.
// transformers/models/olmo3/modeling_olmo3.py
#pragma once
#include <hft/models/olmo2.hpp>

namespace hft {

/// transformers.Olmo3Config; fields have its names and defaults.
struct Olmo3Config : Olmo2Config {
  RopeParametersOfTypes rope_parameters{};
  std::optional<isize> sliding_window = 4096;  // keys that a query sees on a layer with a window, itself included
  std::vector<std::string> layer_types = {};   // default: all but every fourth layer have the window

  static constexpr const char* model_type = "olmo3";
  static constexpr const char* class_prefix = "Olmo3";

  static constexpr name_tables names{.rules = post_norm_rules,
                                     .gguf = gguf_post_norm_names,
                                     .gguf_pairs = false,
                                     .gguf_architecture = "olmo2",
                                     .gguf_told = gguf_has_window,
                                     .ignored = LlamaConfig::ignored};

  Olmo3Config() { rope_parameters.full_attention.rope_theta = rope_parameters.sliding_attention.rope_theta = 5e5; }
  void fields(field_visitor& v);
  void check() const;

  void complete_from(const gguf_file& file) {
    DecoderConfig::complete_from(file, rope_parameters.full_attention);
    rope_parameters.sliding_attention.rope_theta = rope_parameters.full_attention.rope_theta;
    layer_types = gguf_layer_types(file);
  }
  bool slides(isize layer) const { return sliding_window && layer_slides(layer_types, layer, 4); }
  RopeScaling rope(bool slides = false) const { return rope_of(rope_parameters.of(slides)); }
  AttentionOptions attention(isize layer) const;
  TokenModelOptions<> text_model() const;
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Olmo3Model = DecoderModel<Olmo3Config, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Olmo3ForCausalLM = CausalLM<Olmo3Config, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Olmo3ForSequenceClassification =
    DecoderForSequenceClassification<Olmo3Config, LlamaBlock, RMSNorm, build<W, D, L, S>>;

struct olmo3 : architecture<Olmo3Config, Olmo3Model, Olmo3ForCausalLM, Olmo3ForSequenceClassification> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void Olmo3Config::fields(field_visitor& v) {
  v("rope_scaling", rope_parameters.full_attention, v.old);  // beside rope_theta
  decoder_fields(*this, v);
  v("rms_norm_eps", rms_norm_eps, v.not_negative.gguf("attention.layer_norm_rms_epsilon"));
  v("attention_bias", attention_bias);
  v("sliding_window", sliding_window, v.extent.gguf("attention.sliding_window"));
  v("layer_types", layer_types);
}

HFT_INLINE void Olmo3Config::check() const {
  check_layer_types(layer_types, num_hidden_layers, model_type);
  check_decoder(*this, model_type);
}

HFT_INLINE AttentionOptions Olmo3Config::attention(isize layer) const {
  AttentionOptions o = Olmo2Config::attention(layer);
  o.rope = rope(slides(layer));
  if (slides(layer)) o.visible = visibility::window(*sliding_window);
  return o;
}

HFT_INLINE TokenModelOptions<> Olmo3Config::text_model() const {
  auto o = decoder_model(*this, class_prefix, {.size = hidden_size, .eps = rms_norm_eps});
  for (auto& layer : o.layers) layer.norms = norms::after;
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
