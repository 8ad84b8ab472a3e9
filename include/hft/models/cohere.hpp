// Command R of Cohere: a decoder whose attention and MLP see the same input, with LayerNorm without biases, rotary
// positions of neighbouring elements and a factor on logits. transformers/models/cohere/modeling_cohere.py
#pragma once
#include <hft/models/stablelm.hpp>

namespace hft {

/// transformers.CohereConfig; fields have its names and defaults.
struct CohereConfig : DecoderConfig {
  f64 logit_scale = 0.0625;
  f64 layer_norm_eps = 1e-5;
  bool attention_bias = false;
  bool use_qk_norm = false;  // whether each head of queries and of keys is normalised, by a weight of its own

  static constexpr const char* model_type = "cohere";
  static constexpr const char* class_prefix = "Cohere";

  CohereConfig();
  void fields(field_visitor& v);
  void check() const;
  /// The weights of heads' norms are ones.
  bool initialise(std::string_view path, const std::vector<isize>& shape, const random_stream& random,
                  std::vector<f32>& values) const;

  AttentionOptions attention(isize layer) const;
  TokenModelOptions<> text_model() const;
  LMHeadOptions lm_head() const;

  static constexpr std::string_view ignored[] = {"*rotary_emb.inv_freq"};
  static constexpr name_tables names{.rules = rules,
                                     .gguf = gguf_decoder_names,
                                     .gguf_pairs = false,
                                     .gguf_architecture = "command-r",
                                     .ignored = ignored};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using CohereModel = DecoderModel<CohereConfig, StableLmBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using CohereForCausalLM = CausalLM<CohereConfig, StableLmBlock, LayerNorm, build<W, D, L, S>>;

struct cohere : architecture<CohereConfig, CohereModel, CohereForCausalLM> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE CohereConfig::CohereConfig() {
  vocab_size = 256000;
  hidden_size = 8192;
  intermediate_size = 22528;
  num_hidden_layers = 40;
  num_attention_heads = 64;
  max_position_embeddings = 8192;
  pad_token_id = 0;
  bos_token_id = 5;
  tie_word_embeddings = true;
  rope_parameters.rope_theta = 500000;
}

HFT_INLINE void CohereConfig::fields(field_visitor& v) {
  DecoderConfig::fields(v);
  v("logit_scale", logit_scale, v.anything.gguf("logit_scale"));
  v("layer_norm_eps", layer_norm_eps, v.not_negative.gguf("attention.layer_norm_epsilon"));
  v("attention_bias", attention_bias);
  v("use_qk_norm", use_qk_norm);
}

HFT_INLINE void CohereConfig::check() const { check_decoder(*this, model_type); }

HFT_INLINE bool CohereConfig::initialise(std::string_view path, const std::vector<isize>&, const random_stream&,
                                         std::vector<f32>& values) const {
  if (!path.ends_with("q_norm.weight") && !path.ends_with("k_norm.weight")) return false;
  values.assign(values.size(), 1.0f);
  return true;
}

HFT_INLINE AttentionOptions CohereConfig::attention(isize layer) const {
  AttentionOptions o = decoder_attention(*this, layer);
  o.bias = o.output_bias = attention_bias;
  o.interleaved = true;
  if (use_qk_norm) o.qk_norm = QKNormOptions{.eps = layer_norm_eps, .weight_of_heads = true};
  return o;
}

HFT_INLINE TokenModelOptions<> CohereConfig::text_model() const {
  auto o = decoder_model(*this, class_prefix, {.size = hidden_size, .eps = layer_norm_eps, .bias = false});
  for (auto& layer : o.layers) layer.parallel = layer.shared_norm = true;
  return o;
}

HFT_INLINE LMHeadOptions CohereConfig::lm_head() const {
  auto o = DecoderConfig::lm_head();
  o.logit_scale = logit_scale;
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
