// Nemotron: a pre-norm decoder with LayerNorm whose weight is the distance from 1, squared rectifiers and rotary
// positions of a part of each head. Parmar et al. 2024, arXiv 2402.16819.
// transformers/models/nemotron/modeling_nemotron.py
#pragma once
#include <hft/models/phi.hpp>

namespace hft {

/// transformers.NemotronConfig; fields have its names and defaults.
struct NemotronConfig : DecoderConfig {
  f64 norm_eps = 1e-5;
  bool attention_bias = false;
  bool mlp_bias = false;

  static constexpr const char* model_type = "nemotron";
  static constexpr const char* class_prefix = "Nemotron";

  NemotronConfig();
  void fields(field_visitor& v);
  void check() const;

  RopeScaling rope() const { return DecoderConfig::rope(0.5); }
  AttentionOptions attention(isize layer) const;
  TextModelOptions<> text_model() const;
  f64 token_dropout() const { return 0.1; }

  static constexpr std::string_view ignored[] = {"*rotary_emb.inv_freq"};
  static constexpr name_tables names{.question_answering_prefix = "transformer",
                                     .rules = rules,
                                     .gguf = gguf_plus_one_names,
                                     .gguf_pairs = false,
                                     .ignored = ignored};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using NemotronModel = DecoderModel<NemotronConfig, PhiBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using NemotronForCausalLM = CausalLM<NemotronConfig, PhiBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using NemotronForSequenceClassification =
    DecoderForSequenceClassification<NemotronConfig, PhiBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using NemotronForTokenClassification =
    DecoderForTokenClassification<NemotronConfig, PhiBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using NemotronForQuestionAnswering =
    DecoderForQuestionAnswering<NemotronConfig, PhiBlock, LayerNorm, build<W, D, L, S>>;

struct nemotron : architecture<NemotronConfig, NemotronModel, NemotronForCausalLM, NemotronForSequenceClassification,
                               NemotronForTokenClassification, NemotronForQuestionAnswering> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE NemotronConfig::NemotronConfig() {
  vocab_size = 256000;
  hidden_size = 6144;
  intermediate_size = 24576;
  num_attention_heads = 48;
  hidden_act = "relu2";
  max_position_embeddings = 4096;
  initializer_range = 0.0134;
  bos_token_id = 2;
}

HFT_INLINE void NemotronConfig::fields(field_visitor& v) {
  DecoderConfig::fields(v);
  v("norm_eps", norm_eps, v.not_negative.gguf("attention.layer_norm_epsilon"));
  v("attention_bias", attention_bias);
  v("mlp_bias", mlp_bias);
}

HFT_INLINE void NemotronConfig::check() const { check_decoder(*this, model_type); }

HFT_INLINE AttentionOptions NemotronConfig::attention(isize layer) const {
  AttentionOptions o = decoder_attention(*this, layer);
  o.bias = o.output_bias = attention_bias;
  return o;
}

HFT_INLINE TextModelOptions<> NemotronConfig::text_model() const {
  auto o = decoder_model<TextModelOptions<>>(*this, class_prefix,
                                             {.size = hidden_size, .eps = norm_eps, .weight_from_zero = true});
  for (auto& layer : o.layers) layer.mlp.bias = mlp_bias;
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
