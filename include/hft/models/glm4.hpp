// GLM-4 (0414, of 2025): GLM that also normalises what attention and MLP give.
// transformers/models/glm4/modeling_glm4.py
#pragma once
#include <hft/models/glm.hpp>

namespace hft {

/// transformers.Glm4Config; fields have its names and defaults.
struct Glm4Config : GlmConfig {
  static constexpr const char* model_type = "glm4";
  static constexpr const char* class_prefix = "Glm4";
  static constexpr name_tables names{
      .rules = rules, .gguf = gguf_gate_up_names, .gguf_pairs = false, .ignored = LlamaConfig::ignored};

  TokenModelOptions<> text_model() const;
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Glm4Model = DecoderModel<Glm4Config, GlmBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Glm4ForCausalLM = CausalLM<Glm4Config, GlmBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Glm4ForSequenceClassification =
    DecoderForSequenceClassification<Glm4Config, GlmBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Glm4ForTokenClassification = DecoderForTokenClassification<Glm4Config, GlmBlock, RMSNorm, build<W, D, L, S>>;

struct glm4
    : architecture<Glm4Config, Glm4Model, Glm4ForCausalLM, Glm4ForSequenceClassification, Glm4ForTokenClassification> {
};

#if HFT_DEFINES(MODELS)

HFT_INLINE TokenModelOptions<> Glm4Config::text_model() const {
  auto o = GlmConfig::text_model();
  o.where = class_prefix;
  for (auto& layer : o.layers) layer.norms = norms::both;
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
