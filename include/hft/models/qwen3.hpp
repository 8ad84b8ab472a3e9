// Qwen3: Qwen2 without biases, with heads of their own size whose queries and keys are normalised.
// Yang et al. 2025, arXiv 2505.09388. transformers/models/qwen3/modeling_qwen3.py
#pragma once
#include <hft/models/qwen2.hpp>

namespace hft {

/// transformers.Qwen3Config; fields have its names and defaults.
struct Qwen3Config : Qwen2Config {
  static constexpr const char* model_type = "qwen3";
  static constexpr const char* class_prefix = "Qwen3";

  Qwen3Config() { head_dim = 128; }
  TokenModelOptions<> text_model() const;
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Qwen3Model = DecoderModel<Qwen3Config, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Qwen3ForCausalLM = CausalLM<Qwen3Config, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Qwen3ForSequenceClassification =
    DecoderForSequenceClassification<Qwen3Config, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Qwen3ForTokenClassification = DecoderForTokenClassification<Qwen3Config, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Qwen3ForQuestionAnswering = DecoderForQuestionAnswering<Qwen3Config, LlamaBlock, RMSNorm, build<W, D, L, S>>;

struct qwen3 : architecture<Qwen3Config, Qwen3Model, Qwen3ForCausalLM, Qwen3ForSequenceClassification,
                            Qwen3ForTokenClassification, Qwen3ForQuestionAnswering> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE TokenModelOptions<> Qwen3Config::text_model() const {
  auto o = Qwen2Config::text_model();
  o.where = class_prefix;
  for (auto& layer : o.layers) {
    layer.attention.bias = layer.attention.output_bias = attention_bias;
    layer.attention.qk_norm = QKNormOptions{.eps = rms_norm_eps};
  }
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
