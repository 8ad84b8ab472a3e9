// Cohere 2, Command R7B and Command A: Cohere with windows on layers that turn, and layers that see all and know no
// order. transformers/models/cohere2/modeling_cohere2.py
#pragma once
#include <string>
#include <vector>

#include <hft/models/cohere.hpp>

namespace hft {

/// transformers.Cohere2Config; fields have its names and defaults.
struct Cohere2Config : DecoderConfig {
  f64 logit_scale = 0.0625;
  f64 layer_norm_eps = 1e-5;
  bool attention_bias = false;
  std::optional<isize> sliding_window = 4096;        // keys that a query sees on a layer that slides, with itself
  std::vector<std::string> layer_types = {};         // "full_attention" or "sliding_attention" for each layer; or
  std::optional<isize> sliding_window_pattern = {};  // every so many layers one sees all; default: 4

  static constexpr const char* model_type = "cohere2";
  static constexpr const char* class_prefix = "Cohere2";

  Cohere2Config();
  void fields(field_visitor& v);
  void check() const;

  bool slides(isize layer) const {
    return sliding_window && layer_slides(layer_types, layer, sliding_window_pattern.value_or(4));
  }
  void complete_from(const gguf_file& file) {
    DecoderConfig::complete_from(file);
    layer_types = gguf_layer_types(file);
  }
  AttentionOptions attention(isize layer) const;
  TokenModelOptions<> text_model() const;
  LMHeadOptions lm_head() const;

  static constexpr std::string_view ignored[] = {"*rotary_emb.inv_freq"};
  static constexpr name_tables names{
      .rules = rules, .gguf = gguf_decoder_names, .gguf_pairs = false, .ignored = ignored};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Cohere2Model = DecoderModel<Cohere2Config, StableLmBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Cohere2ForCausalLM = CausalLM<Cohere2Config, StableLmBlock, LayerNorm, build<W, D, L, S>>;

struct cohere2 : architecture<Cohere2Config, Cohere2Model, Cohere2ForCausalLM> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE Cohere2Config::Cohere2Config() {
  vocab_size = 256000;
  hidden_size = 8192;
  intermediate_size = 22528;
  num_hidden_layers = 40;
  num_attention_heads = 64;
  max_position_embeddings = 8192;
  pad_token_id = 0;
  bos_token_id = 5;
  tie_word_embeddings = true;
}

HFT_INLINE void Cohere2Config::fields(field_visitor& v) {
  DecoderConfig::fields(v);
  v("logit_scale", logit_scale, v.anything.gguf("logit_scale"));
  v("layer_norm_eps", layer_norm_eps, v.not_negative.gguf("attention.layer_norm_epsilon"));
  v("attention_bias", attention_bias);
  v("sliding_window", sliding_window, v.extent.gguf("attention.sliding_window"));
  v("layer_types", layer_types);
  v("sliding_window_pattern", sliding_window_pattern, v.extent.written_if_set());
}

HFT_INLINE void Cohere2Config::check() const {
  check_layer_types(layer_types, num_hidden_layers, model_type);
  check_decoder(*this, model_type);
}

HFT_INLINE AttentionOptions Cohere2Config::attention(isize layer) const {
  AttentionOptions o = decoder_attention(*this, layer);
  o.bias = o.output_bias = attention_bias;
  o.interleaved = true;
  o.rotary = slides(layer);
  if (o.rotary) o.visible = visibility::window(*sliding_window);
  return o;
}

HFT_INLINE TokenModelOptions<> Cohere2Config::text_model() const {
  auto o = decoder_model(*this, class_prefix, {.size = hidden_size, .eps = layer_norm_eps, .bias = false});
  for (auto& layer : o.layers) layer.parallel = layer.shared_norm = true;
  return o;
}

HFT_INLINE LMHeadOptions Cohere2Config::lm_head() const {
  auto o = DecoderConfig::lm_head();
  o.logit_scale = logit_scale;
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
