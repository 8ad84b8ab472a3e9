// MPT: a pre-norm decoder with LayerNorm, linear biases of positions, fused projections and no biases of layers.
// MosaicML 2023. transformers/models/mpt/modeling_mpt.py
#pragma once
#include <algorithm>

#include <hft/io/gguf_writer.hpp>
#include <hft/models/bloom.hpp>

namespace hft {

/// transformers.MptAttentionConfig; fields have its names and defaults.
struct MptAttentionConfig {
  short_string attn_type = "multihead_attention";
  isize attn_pdrop = 0;  // Transformers takes an integer alone
  short_string attn_impl = "torch";
  std::optional<f64> clip_qkv = {}, softmax_scale = {};
  bool prefix_lm = false, qk_ln = false, attn_uses_sequence_id = false;
  bool alibi = true;
  isize alibi_bias_max = 8;

  void fields(field_visitor& v);
};

/// transformers.MptConfig; fields have its names and defaults. Those that text_model() does not name do nothing in
/// Transformers either.
struct MptConfig {
  isize d_model = 2048;
  isize n_heads = 16;
  isize n_layers = 24;
  isize expansion_ratio = 4;
  isize max_seq_len = 2048;
  isize vocab_size = 50368;
  f64 resid_pdrop = 0;
  f64 layer_norm_epsilon = 1e-5;
  f64 emb_pdrop = 0;
  bool learned_pos_emb = true;
  MptAttentionConfig attn_config = {};
  short_string init_device = "cpu";
  std::optional<f64> logit_scale = {};
  bool no_bias = true;
  f64 embedding_fraction = 1;
  short_string norm_type = "low_precision_layernorm";
  bool use_cache = false;
  f64 initializer_range = 0.02;
  bool tie_word_embeddings = true;
  std::optional<i64> pad_token_id = {}, bos_token_id = {};
  TokenIds eos_token_id = {};
  ClassLabels id2label = {};
  std::optional<short_string> problem_type = {};

  static constexpr const char* model_type = "mpt";
  static constexpr const char* class_prefix = "Mpt";

  void fields(field_visitor& v);
  /// Throws config_error for values that do not fit each other, unsupported_error for what Transformers, too, cannot.
  void check() const;

  AttentionOptions attention(isize layer) const;
  TextModelOptions<> text_model() const;
  LMHeadOptions lm_head() const {
    return {.hidden_size = d_model, .vocab_size = vocab_size, .tied = tie_word_embeddings};
  }
  ClassifierOptions classifier() const {
    return {.hidden_size = d_model,
            .num_labels = id2label.count(),
            .pad_token_id = pad_token_id,
            .problem_type = problem_type};
  }
  f64 token_dropout() const { return 0.1; }
  void complete_from(const gguf_file& file);
  void complete_in(gguf_keys& keys) const;

  static constexpr name_rule rules[] = {{"embed_tokens", "wte"},
                                        {"layers.*.input_layernorm", "blocks.*.norm_1"},
                                        {"layers.*.self_attn.qkv_proj", "blocks.*.attn.Wqkv"},
                                        {"layers.*.self_attn.o_proj", "blocks.*.attn.out_proj"},
                                        {"layers.*.post_attention_layernorm", "blocks.*.norm_2"},
                                        {"layers.*.mlp", "blocks.*.ffn"},
                                        {"norm", "norm_f"}};
  static constexpr name_tables names{.base_model_prefix = "transformer", .rules = rules, .gguf = gguf_decoder_names};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MptModel = DecoderModel<MptConfig, BloomBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MptForCausalLM = CausalLM<MptConfig, BloomBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MptForSequenceClassification =
    DecoderForSequenceClassification<MptConfig, BloomBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MptForTokenClassification = DecoderForTokenClassification<MptConfig, BloomBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MptForQuestionAnswering = DecoderForQuestionAnswering<MptConfig, BloomBlock, LayerNorm, build<W, D, L, S>>;

struct mpt : architecture<MptConfig, MptModel, MptForCausalLM, MptForSequenceClassification, MptForTokenClassification,
                          MptForQuestionAnswering> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void MptAttentionConfig::fields(field_visitor& v) {
  v("attn_type", attn_type);
  v("attn_pdrop", attn_pdrop, v.rate);
  v("attn_impl", attn_impl);
  v("clip_qkv", clip_qkv, v.not_negative);
  v("softmax_scale", softmax_scale);
  v("prefix_lm", prefix_lm);
  v("qk_ln", qk_ln);
  v("attn_uses_sequence_id", attn_uses_sequence_id);
  v("alibi", alibi);
  v("alibi_bias_max", alibi_bias_max);
}

HFT_INLINE void MptConfig::fields(field_visitor& v) {
  v("d_model", d_model, v.extent.also("hidden_size").gguf("embedding_length"));
  v("n_heads", n_heads, v.extent.also("num_attention_heads").gguf("attention.head_count"));
  v("n_layers", n_layers, v.layers.also("num_hidden_layers").gguf("block_count"));
  v("expansion_ratio", expansion_ratio, v.extent);
  v("max_seq_len", max_seq_len, v.extent.gguf("context_length"));
  v("vocab_size", vocab_size, v.extent);
  v("resid_pdrop", resid_pdrop, v.rate);
  v("layer_norm_epsilon", layer_norm_epsilon, v.not_negative.gguf("attention.layer_norm_epsilon"));
  v("emb_pdrop", emb_pdrop, v.rate);
  v("learned_pos_emb", learned_pos_emb);
  v("attn_config", attn_config);
  v("init_device", init_device);
  v("logit_scale", logit_scale);
  v("no_bias", no_bias);
  v("embedding_fraction", embedding_fraction);
  v("norm_type", norm_type);
  v("use_cache", use_cache);
  v("initializer_range", initializer_range);
  v("tie_word_embeddings", tie_word_embeddings);
  v("pad_token_id", pad_token_id, v.anything.gguf("tokenizer.ggml.padding_token_id"));
  v("bos_token_id", bos_token_id, v.anything.gguf("tokenizer.ggml.bos_token_id"));
  v("eos_token_id", eos_token_id, v.anything.gguf("tokenizer.ggml.eos_token_id"));
  v("id2label", id2label);
  v("problem_type", problem_type);
}

HFT_INLINE void MptConfig::complete_from(const gguf_file& file) {
  complete_embeddings_from(file, vocab_size, tie_word_embeddings);
  if (const auto* most = gguf_says(file, "attention.clamp_kqv")) attn_config.clip_qkv = most->as_f64();
  const auto* bias = gguf_says(file, "attention.max_alibi_bias");
  attn_config.alibi = bias && bias->as_f64() > 0;
  if (attn_config.alibi) attn_config.alibi_bias_max = isize(std::clamp(bias->as_f64(), 1.0, 1e6));
}

HFT_INLINE void MptConfig::complete_in(gguf_keys& keys) const {
  if (attn_config.clip_qkv) keys.real("attention.clamp_kqv", *attn_config.clip_qkv);
  if (attn_config.alibi) keys.real("attention.max_alibi_bias", f64(attn_config.alibi_bias_max));
}

HFT_INLINE void MptConfig::check() const {
  check_divides(model_type, "n_heads", n_heads, "d_model", d_model);
  const auto need = [](bool given, const char* field, const char* expected) {
    if (!given) throw unsupported_error(model_type, field, expected, "another value");
  };
  const auto& a = attn_config;
  need(a.attn_type.view() == "multihead_attention", "attn_config.attn_type", "multihead_attention");
  need(a.alibi && a.alibi_bias_max == 8, "attn_config.alibi", "true, with an alibi_bias_max of 8");
  need(!a.prefix_lm && !a.qk_ln, "attn_config", "no prefix_lm and no qk_ln");
  need(expansion_ratio == 4, "expansion_ratio", "4");
  need(no_bias, "no_bias", "true");
  need(!logit_scale, "logit_scale", "none");
}

HFT_INLINE AttentionOptions MptConfig::attention(isize layer) const {
  AttentionOptions o{.hidden_size = d_model,
                     .num_heads = n_heads,
                     .num_kv_heads = n_heads,
                     .head_dim = d_model / n_heads,
                     .layer = layer,
                     .dropout = f64(attn_config.attn_pdrop),
                     .alibi = {.from_next_power = true}};
  if (attn_config.softmax_scale) o.scale = attn_config.softmax_scale;
  if (attn_config.clip_qkv.value_or(0) > 0) o.clip_qkv = attn_config.clip_qkv;
  return o;
}

HFT_INLINE TextModelOptions<> MptConfig::text_model() const {
  const NormOptions norm{.size = d_model, .eps = layer_norm_epsilon, .bias = false};
  const MLPOptions mlp{.hidden_size = d_model, .intermediate_size = 4 * d_model, .activation = Activation::gelu};
  TextModelOptions<> o{
      .where = class_prefix, .embeddings = {.vocab_size = vocab_size, .hidden_size = d_model}, .norm = norm};
  for (isize i = 0; i < n_layers; ++i)
    o.layers.push_back({.norm = norm, .attention = attention(i), .mlp = mlp, .dropout = f64(attn_config.attn_pdrop)});
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
