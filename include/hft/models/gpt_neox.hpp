// GPT-NeoX and Pythia: a decoder whose attention and MLP see the same input, with LayerNorm, fused projections and
// rotary positions of a part of each head. Black et al. 2022, arXiv 2204.06745.
// transformers/models/gpt_neox/modeling_gpt_neox.py
#pragma once
#include <hft/layers/fused_attention.hpp>
#include <hft/models/decoder_config.hpp>

namespace hft {

/// transformers.GPTNeoXConfig; fields have its names and defaults.
struct GPTNeoXConfig : DecoderConfig {
  f64 layer_norm_eps = 1e-5;
  f64 hidden_dropout = 0, classifier_dropout = 0.1;
  bool use_parallel_residual = true;
  bool attention_bias = true;

  static constexpr const char* model_type = "gpt_neox";
  static constexpr const char* class_prefix = "GPTNeoX";

  GPTNeoXConfig();
  void fields(field_visitor& v);
  void check() const;

  RopeScaling rope() const { return DecoderConfig::rope(0.25); }
  AttentionOptions attention(isize layer) const;
  TextModelOptions<> text_model() const;
  f64 token_dropout() const { return classifier_dropout; }
  void complete_from(const gguf_file& file);

  static constexpr name_rule rules[] = {{"embed_tokens", "embed_in"},
                                        {"layers.*.self_attn.qkv_proj", "layers.*.attention.query_key_value"},
                                        {"layers.*.self_attn.o_proj", "layers.*.attention.dense"},
                                        {"layers.*.mlp.up_proj", "layers.*.mlp.dense_h_to_4h"},
                                        {"layers.*.mlp.down_proj", "layers.*.mlp.dense_4h_to_h"},
                                        {"norm", "final_layer_norm"},
                                        {"lm_head", "embed_out"}};
  static constexpr name_rule other_names[] = {{"embed_out", "lm_head"}};
  static constexpr std::string_view ignored[] = {"*.attention.bias", "*.attention.masked_bias", "*rotary_emb.inv_freq"};
  static constexpr name_tables names{.base_model_prefix = "gpt_neox",
                                     .rules = rules,
                                     .gguf = gguf_grouped_names,
                                     .gguf_architecture = "gptneox",
                                     .other_names = other_names,
                                     .ignored = ignored};
};

template <class B>
using GPTNeoXBlock = TransformerBlock<LayerNorm<B>, FusedSelfAttention<B, rope>, MLP<B>>;

template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GPTNeoXModel = DecoderModel<GPTNeoXConfig, GPTNeoXBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GPTNeoXForCausalLM = CausalLM<GPTNeoXConfig, GPTNeoXBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GPTNeoXForSequenceClassification =
    DecoderForSequenceClassification<GPTNeoXConfig, GPTNeoXBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GPTNeoXForTokenClassification =
    DecoderForTokenClassification<GPTNeoXConfig, GPTNeoXBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GPTNeoXForQuestionAnswering =
    DecoderForQuestionAnswering<GPTNeoXConfig, GPTNeoXBlock, LayerNorm, build<W, D, L, S>>;

struct gpt_neox : architecture<GPTNeoXConfig, GPTNeoXModel, GPTNeoXForCausalLM, GPTNeoXForSequenceClassification,
                               GPTNeoXForTokenClassification, GPTNeoXForQuestionAnswering> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE GPTNeoXConfig::GPTNeoXConfig() {
  vocab_size = 50432;
  hidden_size = 6144;
  intermediate_size = 24576;
  num_hidden_layers = 44;
  num_attention_heads = 64;
  hidden_act = "gelu";
  bos_token_id = 0;
}

HFT_INLINE void GPTNeoXConfig::fields(field_visitor& v) {
  v("rotary_pct", rope_parameters.partial_rotary_factor, v.old);
  v("rotary_emb_base", rope_parameters.rope_theta, v.old);
  DecoderConfig::fields(v);
  v("layer_norm_eps", layer_norm_eps, v.not_negative.gguf("attention.layer_norm_epsilon"));
  v("hidden_dropout", hidden_dropout, v.rate);
  v("classifier_dropout", classifier_dropout, v.rate);
  v("use_parallel_residual", use_parallel_residual, v.anything.gguf("use_parallel_residual"));
  v("attention_bias", attention_bias);
}

HFT_INLINE void GPTNeoXConfig::complete_from(const gguf_file& file) {
  DecoderConfig::complete_from(file);
  if (!rope_parameters.partial_rotary_factor)
    rope_parameters.partial_rotary_factor = 1;  // all of a head, if not a share
}

HFT_INLINE void GPTNeoXConfig::check() const { check_decoder(*this, model_type); }

HFT_INLINE AttentionOptions GPTNeoXConfig::attention(isize layer) const {
  AttentionOptions o = decoder_attention(*this, layer);
  o.bias = o.output_bias = attention_bias;
  o.qkv.groups = num_attention_heads;
  return o;
}

HFT_INLINE TextModelOptions<> GPTNeoXConfig::text_model() const {
  auto o = decoder_model<TextModelOptions<>>(*this, class_prefix, {.size = hidden_size, .eps = layer_norm_eps});
  o.embeddings.pad_token_id = {};  // its row is one like the others
  o.embeddings.dropout = hidden_dropout;
  for (auto& layer : o.layers) {
    layer.mlp.bias = true;
    layer.dropout = hidden_dropout;
    layer.parallel = use_parallel_residual;
  }
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
