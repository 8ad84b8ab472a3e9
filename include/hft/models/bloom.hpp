// BLOOM: a pre-norm decoder with LayerNorm, linear biases of positions and fused projections.
// BigScience Workshop 2022, arXiv 2211.05100. transformers/models/bloom/modeling_bloom.py
#pragma once
#include <hft/io/gguf_writer.hpp>
#include <hft/layers/fused_attention.hpp>
#include <hft/models/decoder.hpp>
#include <hft/models/gguf_names.hpp>

namespace hft {

/// transformers.BloomConfig; fields have its names and defaults.
struct BloomConfig {
  isize vocab_size = 250880;
  isize hidden_size = 64;
  isize n_layer = 2;
  isize n_head = 8;
  f64 layer_norm_epsilon = 1e-5;
  f64 initializer_range = 0.02;
  bool use_cache = true;
  std::optional<i64> bos_token_id = 1;
  TokenIds eos_token_id = 2;
  std::optional<i64> pad_token_id = {};
  bool apply_residual_connection_post_layernorm = false;
  f64 hidden_dropout = 0, attention_dropout = 0;
  isize pretraining_tp = 1;
  bool slow_but_exact = false;  // the order in which parts of pretraining_tp are added up
  bool tie_word_embeddings = true;
  ClassLabels id2label = {};
  std::optional<short_string> problem_type = {};

  static constexpr const char* model_type = "bloom";
  static constexpr const char* class_prefix = "Bloom";

  void fields(field_visitor& v);
  void check() const { check_divides(model_type, "n_head", n_head, "hidden_size", hidden_size); }

  AttentionOptions attention(isize layer) const;
  TextModelOptions<> text_model() const;
  LMHeadOptions lm_head() const {
    return {.hidden_size = hidden_size, .vocab_size = vocab_size, .tied = tie_word_embeddings};
  }
  ClassifierOptions classifier() const {
    return {.hidden_size = hidden_size,
            .num_labels = id2label.count(),
            .pad_token_id = pad_token_id,
            .problem_type = problem_type};
  }
  f64 token_dropout() const { return hidden_dropout; }
  void complete_from(const gguf_file& file) { complete_embeddings_from(file, vocab_size, tie_word_embeddings); }
  void complete_in(gguf_keys& keys) const { keys.number("context_length", 2048); }  // of training; there is no limit

  static constexpr name_rule rules[] = {{"embed_tokens", "word_embeddings"},
                                        {"embed_norm", "word_embeddings_layernorm"},
                                        {"layers.*.self_attn.qkv_proj", "h.*.self_attention.query_key_value"},
                                        {"layers.*.self_attn.o_proj", "h.*.self_attention.dense"},
                                        {"layers.*.mlp.up_proj", "h.*.mlp.dense_h_to_4h"},
                                        {"layers.*.mlp.down_proj", "h.*.mlp.dense_4h_to_h"},
                                        {"layers", "h"},
                                        {"norm", "ln_f"}};
  static constexpr name_tables names{.base_model_prefix = "transformer", .rules = rules, .gguf = gguf_grouped_names};
};

template <class B>
using BloomBlock = TransformerBlock<LayerNorm<B>, FusedSelfAttention<B, alibi>, MLP<B>>;

template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BloomModel = DecoderModel<BloomConfig, BloomBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BloomForCausalLM = CausalLM<BloomConfig, BloomBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BloomForSequenceClassification =
    DecoderForSequenceClassification<BloomConfig, BloomBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BloomForTokenClassification =
    DecoderForTokenClassification<BloomConfig, BloomBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BloomForQuestionAnswering = DecoderForQuestionAnswering<BloomConfig, BloomBlock, LayerNorm, build<W, D, L, S>>;

struct bloom : architecture<BloomConfig, BloomModel, BloomForCausalLM, BloomForSequenceClassification,
                            BloomForTokenClassification, BloomForQuestionAnswering> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void BloomConfig::fields(field_visitor& v) {
  v("vocab_size", vocab_size, v.extent);
  v("hidden_size", hidden_size, v.extent.gguf("embedding_length"));
  v("n_embed", hidden_size, v.old);  // where a file has both, Transformers takes this one
  v("n_layer", n_layer, v.layers.also("num_hidden_layers").gguf("block_count"));
  v("n_head", n_head, v.extent.also("num_attention_heads").gguf("attention.head_count"));
  v("layer_norm_epsilon", layer_norm_epsilon, v.not_negative.gguf("attention.layer_norm_epsilon"));
  v("initializer_range", initializer_range);
  v("use_cache", use_cache);
  v("bos_token_id", bos_token_id, v.anything.gguf("tokenizer.ggml.bos_token_id"));
  v("eos_token_id", eos_token_id, v.anything.gguf("tokenizer.ggml.eos_token_id"));
  v("pad_token_id", pad_token_id, v.anything.gguf("tokenizer.ggml.padding_token_id"));
  v("apply_residual_connection_post_layernorm", apply_residual_connection_post_layernorm);
  v("hidden_dropout", hidden_dropout, v.rate);
  v("attention_dropout", attention_dropout, v.rate);
  v("pretraining_tp", pretraining_tp);
  v("slow_but_exact", slow_but_exact);
  v("tie_word_embeddings", tie_word_embeddings);
  v("id2label", id2label);
  v("problem_type", problem_type);
}

HFT_INLINE AttentionOptions BloomConfig::attention(isize layer) const {
  return {.hidden_size = hidden_size,
          .num_heads = n_head,
          .num_kv_heads = n_head,
          .head_dim = hidden_size / n_head,
          .layer = layer,
          .bias = true,
          .output_bias = true,
          .dropout = attention_dropout,
          .qkv = {.groups = n_head}};
}

HFT_INLINE TextModelOptions<> BloomConfig::text_model() const {
  const NormOptions norm{.size = hidden_size, .eps = layer_norm_epsilon};
  const MLPOptions mlp{.hidden_size = hidden_size,
                       .intermediate_size = 4 * hidden_size,
                       .activation = Activation::gelu_fast,
                       .bias = true};
  TextModelOptions<> o{.where = class_prefix,
                       .embeddings = {.vocab_size = vocab_size, .hidden_size = hidden_size, .norm = norm},
                       .norm = norm};
  for (isize i = 0; i < n_layer; ++i)
    o.layers.push_back({.norm = norm,
                        .attention = attention(i),
                        .mlp = mlp,
                        .dropout = hidden_dropout,
                        .from_normed = apply_residual_connection_post_layernorm});
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
