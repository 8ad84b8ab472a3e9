// SmolLM3: Llama whose every fourth layer has no positions. transformers/models/smollm3/modeling_smollm3.py
#pragma once
#include <hft/models/llama.hpp>

namespace hft {

/// transformers.SmolLM3Config; fields have its names and defaults.
struct SmolLM3Config : DecoderConfig {
  f64 rms_norm_eps = 1e-6;
  bool use_sliding_window = false;
  std::optional<isize> sliding_window = {};   // keys that a query sees on a layer with a window, itself included
  std::vector<isize> no_rope_layers = {};     // 1 for each layer with positions, 0 for each without
  isize no_rope_layer_interval = 4;           // every so manieth layer has none, where no_rope_layers says nothing
  std::vector<std::string> layer_types = {};  // default: those without positions have the window, if there is one
  bool attention_bias = false;
  bool mlp_bias = false;

  static constexpr const char* model_type = "smollm3";
  static constexpr const char* class_prefix = "SmolLM3";
  static constexpr name_tables names{.question_answering_prefix = "transformer",
                                     .rules = rules,
                                     .gguf = gguf_decoder_names,
                                     .ignored = LlamaConfig::ignored};

  SmolLM3Config();
  void fields(field_visitor& v);
  void check() const;

  bool turns(isize layer) const {
    return no_rope_layers.empty() ? (layer + 1) % no_rope_layer_interval != 0 : no_rope_layers[std::size_t(layer)] != 0;
  }
  bool slides(isize layer) const {
    return use_sliding_window && sliding_window &&
           (layer_types.empty() ? !turns(layer) : layer_types[std::size_t(layer)] == sliding_attention);
  }
  AttentionOptions attention(isize layer) const;
  TokenModelOptions<> text_model() const;
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using SmolLM3Model = DecoderModel<SmolLM3Config, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using SmolLM3ForCausalLM = CausalLM<SmolLM3Config, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using SmolLM3ForSequenceClassification =
    DecoderForSequenceClassification<SmolLM3Config, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using SmolLM3ForTokenClassification =
    DecoderForTokenClassification<SmolLM3Config, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using SmolLM3ForQuestionAnswering = DecoderForQuestionAnswering<SmolLM3Config, LlamaBlock, RMSNorm, build<W, D, L, S>>;

struct smollm3 : architecture<SmolLM3Config, SmolLM3Model, SmolLM3ForCausalLM, SmolLM3ForSequenceClassification,
                              SmolLM3ForTokenClassification, SmolLM3ForQuestionAnswering> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE SmolLM3Config::SmolLM3Config() {
  vocab_size = 128256;
  hidden_size = 2048;
  num_hidden_layers = 36;
  num_attention_heads = 16;
  num_key_value_heads = 4;
  max_position_embeddings = 32768;
  pad_token_id = 128004;
  bos_token_id = 128000;
  eos_token_id = 128001;
  rope_parameters.rope_theta = 2e6;
  tie_word_embeddings = true;
}

HFT_INLINE void SmolLM3Config::fields(field_visitor& v) {
  DecoderConfig::fields(v);
  v("rms_norm_eps", rms_norm_eps, v.not_negative.gguf("attention.layer_norm_rms_epsilon"));
  v("use_sliding_window", use_sliding_window);
  v("sliding_window", sliding_window, v.extent);
  v("no_rope_layers", no_rope_layers);
  v("no_rope_layer_interval", no_rope_layer_interval, v.extent);
  v("layer_types", layer_types);
  v("attention_bias", attention_bias);
  v("mlp_bias", mlp_bias);
}

HFT_INLINE void SmolLM3Config::check() const {
  check_rope_layers(no_rope_layers, num_hidden_layers, model_type);
  check_layer_types(layer_types, num_hidden_layers, model_type);
  check_decoder(*this, model_type);
}

HFT_INLINE AttentionOptions SmolLM3Config::attention(isize layer) const {
  AttentionOptions o = decoder_attention(*this, layer);
  o.bias = o.output_bias = attention_bias;
  o.rotary = turns(layer);
  if (slides(layer)) o.visible = visibility::window(*sliding_window);
  return o;
}

HFT_INLINE TokenModelOptions<> SmolLM3Config::text_model() const {
  auto o = decoder_model(*this, class_prefix, {.size = hidden_size, .eps = rms_norm_eps});
  for (auto& layer : o.layers) layer.mlp.bias = mlp_bias;
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
