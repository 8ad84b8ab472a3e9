// Qwen2: Llama with biases of queries, keys and values, and windows on the layers that its config says.
// Yang et al. 2024, arXiv 2407.10671. transformers/models/qwen2/modeling_qwen2.py
#pragma once
#include <optional>
#include <string>
#include <vector>

#include <hft/models/llama.hpp>

namespace hft {

/// transformers.Qwen2Config; fields have its names and defaults.
struct Qwen2Config : LlamaConfig {
  bool use_sliding_window = false;
  std::optional<isize> sliding_window = 4096;  // keys that a query sees on a layer with a window, itself included
  isize max_window_layers = 28;                // layers from this one on have it, where layer_types says nothing
  std::vector<std::string> layer_types = {};   // "full_attention" or "sliding_attention" for each layer

  static constexpr const char* model_type = "qwen2";
  static constexpr const char* class_prefix = "Qwen2";
  static constexpr name_tables names{.question_answering_prefix = "transformer",
                                     .rules = rules,
                                     .gguf = gguf_decoder_names,
                                     .gguf_pairs = false,
                                     .ignored = LlamaConfig::ignored};

  Qwen2Config();
  void fields(field_visitor& v);
  void check() const;

  AttentionOptions attention(isize layer) const;
  TokenModelOptions<> text_model() const;
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Qwen2Model = DecoderModel<Qwen2Config, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Qwen2ForCausalLM = CausalLM<Qwen2Config, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Qwen2ForSequenceClassification =
    DecoderForSequenceClassification<Qwen2Config, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Qwen2ForTokenClassification = DecoderForTokenClassification<Qwen2Config, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Qwen2ForQuestionAnswering = DecoderForQuestionAnswering<Qwen2Config, LlamaBlock, RMSNorm, build<W, D, L, S>>;

struct qwen2 : architecture<Qwen2Config, Qwen2Model, Qwen2ForCausalLM, Qwen2ForSequenceClassification,
                            Qwen2ForTokenClassification, Qwen2ForQuestionAnswering> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE Qwen2Config::Qwen2Config() {
  vocab_size = 151936;
  intermediate_size = 22016;
  max_position_embeddings = 32768;
  num_key_value_heads = 32;
  bos_token_id = {};
}

HFT_INLINE void Qwen2Config::fields(field_visitor& v) {
  LlamaConfig::fields(v);
  v("use_sliding_window", use_sliding_window);
  v("sliding_window", sliding_window, v.extent);
  v("max_window_layers", max_window_layers);
  v("layer_types", layer_types);
}

HFT_INLINE void Qwen2Config::check() const {
  LlamaConfig::check();
  check_layer_types(layer_types, num_hidden_layers, model_type);
}

HFT_INLINE AttentionOptions Qwen2Config::attention(isize layer) const {
  AttentionOptions o = LlamaConfig::attention(layer);
  o.bias = true;
  o.output_bias = false;
  const bool slides =
      layer_types.empty() ? layer >= max_window_layers : layer_types[std::size_t(layer)] == sliding_attention;
  if (use_sliding_window && slides && sliding_window) o.visible = visibility::window(*sliding_window);
  return o;
}

HFT_INLINE TokenModelOptions<> Qwen2Config::text_model() const {
  auto o = LlamaConfig::text_model();
  o.where = class_prefix;
  for (isize i = 0; i < num_hidden_layers; ++i) o.layers[std::size_t(i)].attention = attention(i);
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
