// Falcon: a decoder with LayerNorm and fused projections, whose first kind has one head of keys for all queries.
// Almazrouei et al. 2023, arXiv 2311.16867. transformers/models/falcon/modeling_falcon.py
#pragma once
#include <hft/models/gpt_neox.hpp>

namespace hft {

/// transformers.FalconConfig; fields have its names and defaults.
struct FalconConfig {
  isize vocab_size = 65024;
  isize hidden_size = 4544;
  isize num_hidden_layers = 32;
  isize num_attention_heads = 71;
  std::optional<isize> num_ln_in_parallel_attn = {};  // 1 or 2; default: 2 of the new architecture, else 1
  f64 layer_norm_epsilon = 1e-5;
  f64 initializer_range = 0.02;
  bool use_cache = true;
  f64 hidden_dropout = 0, attention_dropout = 0;
  std::optional<isize> num_kv_heads = {};  // of the new architecture; default: num_attention_heads
  bool alibi = false;                      // the order of tokens, else rotary positions
  bool new_decoder_architecture = false;   // Falcon 40B and 180B
  bool multi_query = true;                 // of the old architecture: one head of keys, else as many as of queries
  bool parallel_attn = true;
  bool bias = false;
  isize max_position_embeddings = 2048;
  RopeParameters rope_parameters{};
  std::optional<i64> bos_token_id = 11;
  TokenIds eos_token_id = 11;
  std::optional<i64> pad_token_id = {};
  std::optional<isize> ffn_hidden_size = {};  // default: 4 * hidden_size
  short_string activation = "gelu";
  bool tie_word_embeddings = true;
  ClassLabels id2label = {};                      // of classifiers
  std::optional<short_string> problem_type = {};  // what labels of sequences are: see sequence_classification_loss

  static constexpr const char* model_type = "falcon";
  static constexpr const char* class_prefix = "Falcon";

  void fields(field_visitor& v);
  void check() const;

  /// Heads of keys that there are.
  isize key_value_heads() const {
    if (new_decoder_architecture) return num_kv_heads.value_or(num_attention_heads);
    return multi_query ? 1 : num_attention_heads;
  }
  bool two_norms() const { return new_decoder_architecture && num_ln_in_parallel_attn.value_or(2) == 2; }
  AttentionOptions attention(isize layer) const;
  TextModelOptions<> text_model() const;
  LMHeadOptions lm_head() const { return decoder_lm_head(*this); }
  ClassifierOptions classifier() const { return decoder_classifier(*this); }
  f64 token_dropout() const { return hidden_dropout; }
  void complete_from(const gguf_file& file);
  std::vector<row_parts> gguf_parts(std::string_view) const {
    const isize D = hidden_size / num_attention_heads, kv = key_value_heads();
    return {{kv, {num_attention_heads / kv * D, D, D}}};
  }

  static constexpr name_rule rules[] = {{"embed_tokens", "word_embeddings"},
                                        {"layers.*.self_attn.qkv_proj", "h.*.self_attention.query_key_value"},
                                        {"layers.*.self_attn.o_proj", "h.*.self_attention.dense"},
                                        {"layers.*.mlp.up_proj", "h.*.mlp.dense_h_to_4h"},
                                        {"layers.*.mlp.down_proj", "h.*.mlp.dense_4h_to_h"},
                                        {"layers.*", "h.*"},
                                        {"norm", "ln_f"}};
  static constexpr name_rule gguf_norm_names[] = {{"model.layers.*.ln_attn", "blk.*.attn_norm_2"},
                                                  {"model.layers.*.ln_mlp", "blk.*.attn_norm"}};
  static constexpr auto gguf_names = joined_rules(gguf_norm_names, gguf_grouped_names);
  static constexpr std::string_view ignored[] = {"*rotary_emb.inv_freq", "*maybe_rotary.inv_freq"};
  static constexpr std::string_view kept_linear[] = {"query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"};
  static constexpr name_tables names{.base_model_prefix = "transformer",
                                     .rules = rules,
                                     .gguf = gguf_names,
                                     .ignored = ignored,
                                     .kept_linear = kept_linear};  // FalconLinear
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using FalconModel = DecoderModel<FalconConfig, GPTNeoXBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using FalconForCausalLM = CausalLM<FalconConfig, GPTNeoXBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using FalconForSequenceClassification =
    DecoderForSequenceClassification<FalconConfig, GPTNeoXBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using FalconForTokenClassification =
    DecoderForTokenClassification<FalconConfig, GPTNeoXBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using FalconForQuestionAnswering =
    DecoderForQuestionAnswering<FalconConfig, GPTNeoXBlock, LayerNorm, build<W, D, L, S>>;

struct falcon : architecture<FalconConfig, FalconModel, FalconForCausalLM, FalconForSequenceClassification,
                             FalconForTokenClassification, FalconForQuestionAnswering> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void FalconConfig::fields(field_visitor& v) {
  v("vocab_size", vocab_size, v.extent);
  v("n_embed", hidden_size, v.old);
  v("hidden_size", hidden_size, v.extent.gguf("embedding_length"));
  v("num_hidden_layers", num_hidden_layers, v.layers.gguf("block_count"));
  v("num_attention_heads", num_attention_heads, v.extent.gguf("attention.head_count"));
  v("num_ln_in_parallel_attn", num_ln_in_parallel_attn);
  v("layer_norm_epsilon", layer_norm_epsilon, v.not_negative.gguf("attention.layer_norm_epsilon"));
  v("initializer_range", initializer_range);
  v("use_cache", use_cache);
  v("hidden_dropout", hidden_dropout, v.rate);
  v("attention_dropout", attention_dropout, v.rate);
  v("num_kv_heads", num_kv_heads, v.extent.gguf("attention.head_count_kv"));
  v("alibi", alibi);
  v("new_decoder_architecture", new_decoder_architecture);
  v("multi_query", multi_query);
  v("parallel_attn", parallel_attn);
  v("bias", bias);
  v("max_position_embeddings", max_position_embeddings, v.extent.gguf("context_length"));
  v("rope_parameters", rope_parameters);
  v("bos_token_id", bos_token_id, v.anything.gguf("tokenizer.ggml.bos_token_id"));
  v("eos_token_id", eos_token_id, v.anything.gguf("tokenizer.ggml.eos_token_id"));
  v("pad_token_id", pad_token_id, v.anything.gguf("tokenizer.ggml.padding_token_id"));
  v("ffn_hidden_size", ffn_hidden_size, v.extent.gguf("feed_forward_length"));
  v("activation", activation);
  v("tie_word_embeddings", tie_word_embeddings);
  v("id2label", id2label);
  v("problem_type", problem_type);
}

// llama.cpp has no others than Falcon 7B's like, with one head of keys, and 40B's and 11B's.
HFT_INLINE void FalconConfig::complete_from(const gguf_file& file) {
  complete_decoder_from(file, vocab_size, tie_word_embeddings, rope_parameters);
  ffn_hidden_size = gguf_mlp_width(file);
  const bool two = gguf_layers_have(file, "attn_norm_2.weight");
  multi_query = num_kv_heads == 1 && !two;
  new_decoder_architecture = !multi_query;
  if (new_decoder_architecture) num_ln_in_parallel_attn = two ? 2 : 1;
}

HFT_INLINE void FalconConfig::check() const {
  check_divides(model_type, "num_attention_heads", num_attention_heads, "hidden_size", hidden_size);
  const isize most = new_decoder_architecture ? 2 : 1;
  if (num_ln_in_parallel_attn && (*num_ln_in_parallel_attn < 1 || *num_ln_in_parallel_attn > most))
    throw config_error(model_type, "num_ln_in_parallel_attn",
                       most == 2 ? "1 or 2" : "1 without new_decoder_architecture",
                       detail::joined(*num_ln_in_parallel_attn));
  if (new_decoder_architecture && !parallel_attn)
    throw config_error(model_type, "parallel_attn", "true with new_decoder_architecture", "false");
  check_heads(attention(0), model_type);
  find_activation(activation, model_type);
}

HFT_INLINE AttentionOptions FalconConfig::attention(isize layer) const {
  AttentionOptions o{.hidden_size = hidden_size,
                     .num_heads = num_attention_heads,
                     .num_kv_heads = key_value_heads(),
                     .head_dim = hidden_size / num_attention_heads,
                     .layer = layer,
                     .bias = bias,
                     .output_bias = bias};
  o.dropout = attention_dropout;
  o.rotary = !alibi;
  if (o.rotary) o.rope = RopeScaling(rope_parameters, o.head_dim, max_position_embeddings);
  o.qkv.groups = o.num_kv_heads;
  return o;
}

HFT_INLINE TextModelOptions<> FalconConfig::text_model() const {
  const NormOptions norm{.size = hidden_size, .eps = layer_norm_epsilon};
  const MLPOptions mlp{.hidden_size = hidden_size,
                       .intermediate_size = ffn_hidden_size.value_or(4 * hidden_size),
                       .activation = find_activation(activation, model_type),
                       .bias = bias};
  BlockOptions layer{.norm = norm, .attention = attention(0), .mlp = mlp};
  layer.dropout = parallel_attn ? hidden_dropout : attention_dropout;  // Transformers drops the sum of a parallel one
  layer.mlp_dropout = hidden_dropout;
  layer.parallel = parallel_attn;
  layer.shared_norm = parallel_attn && !two_norms();
  if (two_norms()) layer.first_norm = "ln_attn", layer.second_norm = "ln_mlp";
  TextModelOptions<> o{
      .where = class_prefix, .embeddings = {.vocab_size = vocab_size, .hidden_size = hidden_size}, .norm = norm};
  for (isize i = 0; i < num_hidden_layers; ++i) {
    layer.attention.layer = i;
    o.layers.push_back(layer);
  }
  if (alibi)
    o.alibi = AlibiBiasOptions{.heads = num_attention_heads, .factor = 1 / std::sqrt(f64(layer.attention.head_dim))};
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
