// BioGPT: a pre-norm decoder with LayerNorm, biases and learned positions. Luo et al. 2022, arXiv 2210.10341.
// transformers/models/biogpt/modeling_biogpt.py
#pragma once
#include <cmath>

#include <hft/models/phi.hpp>

namespace hft {

/// transformers.BioGptConfig; fields have its names and defaults.
struct BioGptConfig {
  isize vocab_size = 42384;
  isize hidden_size = 1024;
  isize num_hidden_layers = 24;
  isize num_attention_heads = 16;
  isize intermediate_size = 4096;
  short_string hidden_act = "gelu";
  f64 hidden_dropout_prob = 0.1, attention_probs_dropout_prob = 0.1;
  isize max_position_embeddings = 1024;
  f64 initializer_range = 0.02;
  f64 layer_norm_eps = 1e-12;   // read by nothing: all norms have 1e-5
  bool scale_embedding = true;  // whether tokens' rows are multiplied by sqrt(hidden_size)
  bool use_cache = true;
  f64 layerdrop = 0, activation_dropout = 0;  // neither is supported
  std::optional<i64> pad_token_id = 1;
  std::optional<i64> bos_token_id = 0;
  TokenIds eos_token_id = 2;
  bool tie_word_embeddings = true;
  ClassLabels id2label = {};                      // of classifiers
  std::optional<short_string> problem_type = {};  // what labels of sequences are: see sequence_classification_loss

  static constexpr const char* model_type = "biogpt";
  static constexpr const char* class_prefix = "BioGpt";

  void fields(field_visitor& v);
  /// Throws config_error for values that do not fit each other, unsupported_error for dropouts that there are not.
  void check() const;

  isize max_positions() const { return max_position_embeddings; }
  TextModelOptions<> text_model() const;
  LMHeadOptions lm_head() const { return decoder_lm_head(*this); }
  ClassifierOptions classifier() const { return decoder_classifier(*this); }
  f64 token_dropout() const { return hidden_dropout_prob; }

  static constexpr name_rule rules[] = {{"layers.*.input_layernorm", "layers.*.self_attn_layer_norm"},
                                        {"layers.*.self_attn.o_proj", "layers.*.self_attn.out_proj"},
                                        {"layers.*.post_attention_layernorm", "layers.*.final_layer_norm"},
                                        {"layers.*.mlp.up_proj", "layers.*.fc1"},
                                        {"layers.*.mlp.down_proj", "layers.*.fc2"},
                                        {"norm", "layer_norm"},
                                        {"lm_head", "output_projection"}};
  static constexpr name_tables names{.base_model_prefix = "biogpt", .rules = rules};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BioGptModel = DecoderModel<BioGptConfig, PhiBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BioGptForCausalLM = CausalLM<BioGptConfig, PhiBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BioGptForSequenceClassification =
    DecoderForSequenceClassification<BioGptConfig, PhiBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BioGptForTokenClassification =
    DecoderForTokenClassification<BioGptConfig, PhiBlock, LayerNorm, build<W, D, L, S>>;

struct biogpt : architecture<BioGptConfig, BioGptModel, BioGptForCausalLM, BioGptForSequenceClassification,
                             BioGptForTokenClassification> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void BioGptConfig::fields(field_visitor& v) {
  v("vocab_size", vocab_size, v.extent);
  v("hidden_size", hidden_size, v.extent);
  v("num_hidden_layers", num_hidden_layers, v.layers);
  v("num_attention_heads", num_attention_heads, v.extent);
  v("intermediate_size", intermediate_size, v.extent);
  v("hidden_act", hidden_act);
  v("hidden_dropout_prob", hidden_dropout_prob, v.rate);
  v("attention_probs_dropout_prob", attention_probs_dropout_prob, v.rate);
  v("max_position_embeddings", max_position_embeddings, v.extent);
  v("initializer_range", initializer_range);
  v("layer_norm_eps", layer_norm_eps, v.not_negative);
  v("scale_embedding", scale_embedding);
  v("use_cache", use_cache);
  v("layerdrop", layerdrop, v.rate);
  v("activation_dropout", activation_dropout, v.rate);
  v("pad_token_id", pad_token_id);
  v("bos_token_id", bos_token_id);
  v("eos_token_id", eos_token_id);
  v("tie_word_embeddings", tie_word_embeddings);
  v("id2label", id2label);
  v("problem_type", problem_type);
}

HFT_INLINE void BioGptConfig::check() const {
  check_divides(model_type, "num_attention_heads", num_attention_heads, "hidden_size", hidden_size);
  find_activation(hidden_act, model_type);
  if (layerdrop > 0) throw unsupported_error(model_type, "layerdrop", "0", detail::joined(layerdrop));
  if (activation_dropout > 0)
    throw unsupported_error(model_type, "activation_dropout", "0", detail::joined(activation_dropout));
}

HFT_INLINE TextModelOptions<> BioGptConfig::text_model() const {
  const NormOptions norm{.size = hidden_size, .eps = 1e-5};
  BlockOptions layer{.norm = norm,
                     .attention = {.hidden_size = hidden_size,
                                   .num_heads = num_attention_heads,
                                   .num_kv_heads = num_attention_heads,
                                   .head_dim = hidden_size / num_attention_heads,
                                   .bias = true,
                                   .output_bias = true,
                                   .dropout = attention_probs_dropout_prob,
                                   .rotary = false},
                     .mlp = {.hidden_size = hidden_size,
                             .intermediate_size = intermediate_size,
                             .activation = find_activation(hidden_act, model_type),
                             .bias = true},
                     .dropout = hidden_dropout_prob};
  TextModelOptions<> o{.where = class_prefix,
                       .embeddings = {.vocab_size = vocab_size,
                                      .hidden_size = hidden_size,
                                      .pad_token_id = pad_token_id,
                                      .max_positions = max_position_embeddings + 2,
                                      .first_position = 2,
                                      .scale = scale_embedding ? std::sqrt(f64(hidden_size)) : 1,
                                      .dropout = hidden_dropout_prob},
                       .norm = norm};
  for (isize i = 0; i < num_hidden_layers; ++i) {
    layer.attention.layer = i;
    o.layers.push_back(layer);
  }
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
