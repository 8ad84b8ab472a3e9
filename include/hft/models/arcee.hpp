// Arcee (AFM): Llama with an MLP that is not gated. transformers/models/arcee/modeling_arcee.py
#pragma once
#include <hft/models/llama.hpp>

namespace hft {

/// transformers.ArceeConfig; fields have its names and defaults.
struct ArceeConfig : DecoderConfig {
  f64 rms_norm_eps = 1e-5;
  bool attention_bias = false;
  bool mlp_bias = false;

  static constexpr const char* model_type = "arcee";
  static constexpr const char* class_prefix = "Arcee";
  static constexpr name_tables names{.question_answering_prefix = "transformer",
                                     .rules = rules,
                                     .gguf = gguf_decoder_names,
                                     .ignored = LlamaConfig::ignored};

  ArceeConfig();
  void fields(field_visitor& v);
  void check() const;

  AttentionOptions attention(isize layer) const;
  TokenModelOptions<> text_model() const;
};

template <class B>
using ArceeBlock = PreNormBlock<RMSNorm<B>, SelfAttention<B, rope>, MLP<B>>;

template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ArceeModel = DecoderModel<ArceeConfig, ArceeBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ArceeForCausalLM = CausalLM<ArceeConfig, ArceeBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ArceeForSequenceClassification =
    DecoderForSequenceClassification<ArceeConfig, ArceeBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ArceeForTokenClassification = DecoderForTokenClassification<ArceeConfig, ArceeBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ArceeForQuestionAnswering = DecoderForQuestionAnswering<ArceeConfig, ArceeBlock, RMSNorm, build<W, D, L, S>>;

struct arcee : architecture<ArceeConfig, ArceeModel, ArceeForCausalLM, ArceeForSequenceClassification,
                            ArceeForTokenClassification, ArceeForQuestionAnswering> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE ArceeConfig::ArceeConfig() {
  hidden_size = 2560;
  intermediate_size = 18432;
  hidden_act = "relu2";
  max_position_embeddings = 4096;
  bos_token_id = 128000;
  eos_token_id = 128001;
}

HFT_INLINE void ArceeConfig::fields(field_visitor& v) {
  DecoderConfig::fields(v);
  v("rms_norm_eps", rms_norm_eps, v.not_negative.gguf("attention.layer_norm_rms_epsilon"));
  v("attention_bias", attention_bias);
  v("mlp_bias", mlp_bias);
}

HFT_INLINE void ArceeConfig::check() const { check_decoder(*this, model_type); }

HFT_INLINE AttentionOptions ArceeConfig::attention(isize layer) const {
  AttentionOptions o = decoder_attention(*this, layer);
  o.bias = o.output_bias = attention_bias;
  return o;
}

HFT_INLINE TokenModelOptions<> ArceeConfig::text_model() const {
  auto o = decoder_model(*this, class_prefix, {.size = hidden_size, .eps = rms_norm_eps});
  for (auto& layer : o.layers) layer.mlp.bias = mlp_bias;
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
