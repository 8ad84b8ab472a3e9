// Llama: a pre-norm decoder with RMSNorm, rotary positions, grouped-query attention and a SwiGLU MLP.
// Touvron et al. 2023, arXiv 2302.13971; arXiv 2307.09288; Dubey et al. 2024, arXiv 2407.21783.
// transformers/models/llama/modeling_llama.py
#pragma once
#include <hft/models/decoder_config.hpp>
#include <hft/models/llama_body.hpp>

namespace hft {

/// transformers.LlamaConfig; fields have its names and defaults, and both its spellings of rotary parameters are read.
struct LlamaConfig {
  isize vocab_size = 32000;
  isize hidden_size = 4096;
  isize intermediate_size = 11008;
  isize num_hidden_layers = 32;
  isize num_attention_heads = 32;
  std::optional<isize> num_key_value_heads = {};  // default: num_attention_heads
  short_string hidden_act = "silu";
  isize max_position_embeddings = 2048;
  f64 initializer_range = 0.02;
  f64 rms_norm_eps = 1e-6;
  bool use_cache = true;
  std::optional<i64> pad_token_id = {};
  std::optional<i64> bos_token_id = 1;
  TokenIds eos_token_id = {};  // Transformers' default is 2; a config without any has none here
  isize pretraining_tp = 1;
  bool tie_word_embeddings = false;
  RopeParameters rope_parameters{};
  bool attention_bias = false;
  f64 attention_dropout = 0;
  bool mlp_bias = false;
  std::optional<isize> head_dim = {};             // default: hidden_size / num_attention_heads
  ClassLabels id2label = {};                      // of LlamaForSequenceClassification
  std::optional<short_string> problem_type = {};  // what its labels are: see sequence_classification_loss

  static constexpr const char* model_type = "llama";
  static constexpr const char* class_prefix = "Llama";

  void fields(field_visitor& v);
  void check() const;

  constexpr isize key_value_heads() const { return num_key_value_heads.value_or(num_attention_heads); }
  constexpr isize head_size() const { return head_dim.value_or(hidden_size / num_attention_heads); }

  /// The extents a specialised build compiles for.
  constexpr std::array<isize, 4> extents() const {
    return {hidden_size, intermediate_size, num_attention_heads * head_size(), head_size()};
  }

  AttentionOptions attention(isize layer) const {
    AttentionOptions o = decoder_attention(*this, layer);
    o.bias = o.output_bias = attention_bias;
    return o;
  }
  RopeScaling rope() const { return {rope_parameters, head_size(), max_position_embeddings}; }
  TokenModelOptions<> text_model() const;
  LMHeadOptions lm_head() const { return decoder_lm_head(*this); }
  ClassifierOptions classifier() const { return decoder_classifier(*this); }

  // What the files call it: safetensors by the names of the stock blocks.
  static constexpr auto& rules = decoder_rules;
  static constexpr std::string_view ignored[] = {"*rotary_emb.inv_freq", "rope_freqs.weight"};
  static constexpr name_tables names{.question_answering_prefix = "transformer",
                                     .rules = rules,
                                     .gguf = gguf_decoder_names,
                                     .gguf_told = gguf_has_no_experts,
                                     .ignored = ignored};
  void complete_from(const gguf_file&);
};

// LlamaBlock is PreNormBlock<RMSNorm<B>, SelfAttention<B, rope>, GatedMLP<B>>.

template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using LlamaModel = DecoderModel<LlamaConfig, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using LlamaForCausalLM = CausalLM<LlamaConfig, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using LlamaForSequenceClassification =
    DecoderForSequenceClassification<LlamaConfig, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using LlamaForTokenClassification = DecoderForTokenClassification<LlamaConfig, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using LlamaForQuestionAnswering = DecoderForQuestionAnswering<LlamaConfig, LlamaBlock, RMSNorm, build<W, D, L, S>>;

struct llama : architecture<LlamaConfig, LlamaModel, LlamaForCausalLM, LlamaForSequenceClassification,
                            LlamaForTokenClassification, LlamaForQuestionAnswering> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void LlamaConfig::fields(field_visitor& v) {
  decoder_fields(*this, v);
  v("rms_norm_eps", rms_norm_eps, v.not_negative.gguf("attention.layer_norm_rms_epsilon"));
  v("pretraining_tp", pretraining_tp);
  v("attention_bias", attention_bias);
  v("mlp_bias", mlp_bias);
}

HFT_INLINE void LlamaConfig::check() const { check_decoder(*this, model_type); }

HFT_INLINE TokenModelOptions<> LlamaConfig::text_model() const {
  auto o = decoder_model(*this, class_prefix, {.size = hidden_size, .eps = rms_norm_eps});
  for (auto& layer : o.layers) layer.mlp.bias = mlp_bias;
  return o;
}

HFT_INLINE void LlamaConfig::complete_from(const gguf_file& file) {
  complete_decoder_from(file, vocab_size, tie_word_embeddings, rope_parameters);
}

#endif  // HFT_DEFINES

}  // namespace hft
