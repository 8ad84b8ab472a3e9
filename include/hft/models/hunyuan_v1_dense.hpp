// HunYuan's dense models: Llama whose queries and keys are normalised after they are turned. Tencent 2025.
// transformers/models/hunyuan_v1_dense/modeling_hunyuan_v1_dense.py
#pragma once
#include <hft/models/llama.hpp>

namespace hft {

/// transformers.HunYuanDenseV1Config; fields have its names and defaults.
struct HunYuanDenseV1Config : DecoderConfig {
  f64 rms_norm_eps = 1e-5;
  std::optional<i64> eod_token_id = 3;
  isize pretraining_tp = 1;
  bool attention_bias = false;

  static constexpr const char* model_type = "hunyuan_v1_dense";
  static constexpr const char* class_prefix = "HunYuanDenseV1";

  HunYuanDenseV1Config();
  void fields(field_visitor& v);
  void check() const { check_decoder(*this, model_type); }

  RopeScaling rope() const;
  AttentionOptions attention(isize layer) const;
  TokenModelOptions<> text_model() const;

  static constexpr name_rule rules[] = {{"layers.*.self_attn.q_norm", "layers.*.self_attn.query_layernorm"},
                                        {"layers.*.self_attn.k_norm", "layers.*.self_attn.key_layernorm"}};
  static constexpr name_tables names{.rules = rules,
                                     .gguf = gguf_decoder_names,
                                     .gguf_pairs = false,
                                     .gguf_architecture = "hunyuan-dense",
                                     .ignored = LlamaConfig::ignored};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using HunYuanDenseV1Model = DecoderModel<HunYuanDenseV1Config, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using HunYuanDenseV1ForCausalLM = CausalLM<HunYuanDenseV1Config, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using HunYuanDenseV1ForSequenceClassification =
    DecoderForSequenceClassification<HunYuanDenseV1Config, LlamaBlock, RMSNorm, build<W, D, L, S>>;

struct hunyuan_v1_dense : architecture<HunYuanDenseV1Config, HunYuanDenseV1Model, HunYuanDenseV1ForCausalLM,
                                       HunYuanDenseV1ForSequenceClassification> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE HunYuanDenseV1Config::HunYuanDenseV1Config() {
  vocab_size = 290943;
  pad_token_id = 0;
  eos_token_id = 2;
}

HFT_INLINE void HunYuanDenseV1Config::fields(field_visitor& v) {
  DecoderConfig::fields(v);
  v("rms_norm_eps", rms_norm_eps, v.not_negative.gguf("attention.layer_norm_rms_epsilon"));
  v("eod_token_id", eod_token_id);
  v("pretraining_tp", pretraining_tp);
  v("attention_bias", attention_bias);
}

// What the files call dynamic, with an alpha, is another base, whatever the length.
HFT_INLINE RopeScaling HunYuanDenseV1Config::rope() const {
  RopeParameters p = rope_parameters;
  const isize D = head_size();
  if (p.rope_type.view() == "dynamic" && p.alpha.value_or(0) != 0 && D > 2) {
    p.rope_theta *= std::pow(*p.alpha, f64(D) / f64(D - 2));
    p.rope_type = "default";
  }
  return {p, D, max_position_embeddings};
}

HFT_INLINE AttentionOptions HunYuanDenseV1Config::attention(isize layer) const {
  AttentionOptions o = decoder_attention(*this, layer);
  o.bias = o.output_bias = attention_bias;
  o.qk_norm = QKNormOptions{.eps = rms_norm_eps, .after_positions = true};
  return o;
}

HFT_INLINE TokenModelOptions<> HunYuanDenseV1Config::text_model() const {
  return decoder_model(*this, class_prefix, {.size = hidden_size, .eps = rms_norm_eps});
}

#endif  // HFT_DEFINES

}  // namespace hft
