// Mistral: Llama whose queries see a window of keys. Jiang et al. 2023, arXiv 2310.06825.
// transformers/models/mistral/modeling_mistral.py
#pragma once
#include <hft/models/llama.hpp>

namespace hft {

/// transformers.MistralConfig; fields have its names and defaults.
struct MistralConfig : LlamaConfig {
  std::optional<isize> sliding_window = 4096;  // keys that a query sees, itself included; none: all

  static constexpr const char* model_type = "mistral";
  static constexpr const char* class_prefix = "Mistral";
  static constexpr name_tables names{.rules = rules,
                                     .gguf = gguf_decoder_names,
                                     .gguf_architecture = "llama",
                                     .gguf_told = gguf_has_no_experts,
                                     .ignored = ignored};

  MistralConfig() {
    intermediate_size = 14336;
    num_key_value_heads = 8;
    max_position_embeddings = 4096 * 32;
  }
  void fields(field_visitor& v);
  TokenModelOptions<> text_model() const;
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MistralModel = DecoderModel<MistralConfig, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MistralForCausalLM = CausalLM<MistralConfig, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MistralForSequenceClassification =
    DecoderForSequenceClassification<MistralConfig, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MistralForTokenClassification =
    DecoderForTokenClassification<MistralConfig, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MistralForQuestionAnswering = DecoderForQuestionAnswering<MistralConfig, LlamaBlock, RMSNorm, build<W, D, L, S>>;

struct mistral : architecture<MistralConfig, MistralModel, MistralForCausalLM, MistralForSequenceClassification,
                              MistralForTokenClassification, MistralForQuestionAnswering> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void MistralConfig::fields(field_visitor& v) {
  LlamaConfig::fields(v);
  v("sliding_window", sliding_window, v.extent);
}

HFT_INLINE TokenModelOptions<> MistralConfig::text_model() const {
  auto o = LlamaConfig::text_model();
  o.where = class_prefix;
  if (sliding_window)
    for (auto& layer : o.layers) layer.attention.visible = visibility::window(*sliding_window);
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
