// Encoders of BERT's kind: the config that they share, and compositions that architectures name.
//
//   struct MyConfig : EncoderConfig { ... };
//   template <class W, Device D = cpu> using MyModel = PreTrainedModel<MyConfig, PostNormEncoder<build<W, D>>>;
#pragma once
#include <algorithm>
#include <string_view>

#include <hft/io/gguf_writer.hpp>
#include <hft/layers/attention.hpp>
#include <hft/layers/mlp.hpp>
#include <hft/layers/norm.hpp>
#include <hft/layers/positions.hpp>
#include <hft/models/gguf_names.hpp>
#include <hft/models/heads/classification.hpp>
#include <hft/models/heads/masked_lm.hpp>
#include <hft/models/heads/pre_training.hpp>
#include <hft/models/heads/question_answering.hpp>
#include <hft/models/pretrained.hpp>
#include <hft/models/text_model.hpp>

namespace hft {

/// Whether a GGUF file under BERT's name is of RoBERTa's like: its tokenizer is not BERT's.
inline bool gguf_skips_padding(const gguf_file& file) {
  const auto* kind = file.find("tokenizer.ggml.model");
  return kind && kind->as_string() != "bert";
}

/// A post-norm encoder that sees both directions, with learned positions and token types. Fields have the names and
/// defaults of transformers.BertConfig.
struct EncoderConfig {
  isize vocab_size = 30522;
  isize hidden_size = 768;
  isize num_hidden_layers = 12;
  isize num_attention_heads = 12;
  isize intermediate_size = 3072;
  short_string hidden_act = "gelu";
  f64 hidden_dropout_prob = 0.1, attention_probs_dropout_prob = 0.1;
  isize max_position_embeddings = 512;
  isize type_vocab_size = 2;
  f64 initializer_range = 0.02;
  f64 layer_norm_eps = 1e-12;
  std::optional<i64> pad_token_id = 0;
  std::optional<f64> classifier_dropout = {};
  bool is_decoder = false;                                       // whether the past alone is seen
  std::optional<bool> use_cache = {}, add_cross_attention = {};  // of a decoder
  std::optional<i64> bos_token_id = {};
  TokenIds eos_token_id = {};
  bool tie_word_embeddings = true;
  ClassLabels id2label = {};                      // of the classification heads
  std::optional<short_string> problem_type = {};  // what a sequence's labels are: see sequence_classification_loss

  void fields(field_visitor& v);
  /// Throws config_error for values that do not fit each other, unsupported_error for a decoder beside an encoder, and
  /// for any unless the architecture `decodes`. `model_type` and `where` name the architecture in errors.
  void check(const char* model_type, bool decodes = false) const;

  void complete_from(const gguf_file& file);
  void complete_in(gguf_keys& keys) const;
  isize max_positions() const { return max_position_embeddings; }
  TextModelOptions<> text_model(const char* where) const;
  MaskedLMHeadOptions masked_lm_head() const;
  ClassifierOptions classifier() const {
    return {.hidden_size = hidden_size,
            .num_labels = id2label.count(),
            .dropout = classifier_dropout.value_or(hidden_dropout_prob),
            .problem_type = problem_type};
  }

  // What llama.cpp calls them; the pooler it leaves out.
  static constexpr name_rule gguf_names[] = {{"model.embed_tokens", "token_embd"},
                                             {"model.embed_positions", "position_embd"},
                                             {"model.embed_token_types", "token_types"},
                                             {"model.embed_norm", "token_embd_norm"},
                                             {"model.layers.*.self_attn.q_proj", "blk.*.attn_q"},
                                             {"model.layers.*.self_attn.k_proj", "blk.*.attn_k"},
                                             {"model.layers.*.self_attn.v_proj", "blk.*.attn_v"},
                                             {"model.layers.*.self_attn.qkv_proj", "blk.*.attn_qkv"},
                                             {"model.layers.*.self_attn.o_proj", "blk.*.attn_output"},
                                             {"model.layers.*.post_attention_layernorm", "blk.*.attn_output_norm"},
                                             {"model.layers.*.mlp.gate_proj", "blk.*.ffn_gate"},
                                             {"model.layers.*.mlp.up_proj", "blk.*.ffn_up"},
                                             {"model.layers.*.mlp.down_proj", "blk.*.ffn_down"},
                                             {"model.layers.*.post_mlp_layernorm", "blk.*.layer_output_norm"}};
  // What BERT's checkpoints call the parts of the base model, and most after it.
  static constexpr name_rule layer_rules[] = {
      {"embed_tokens", "embeddings.word_embeddings"},
      {"embed_positions", "embeddings.position_embeddings"},
      {"embed_token_types", "embeddings.token_type_embeddings"},
      {"embed_norm", "embeddings.LayerNorm"},
      {"layers.*.self_attn.q_proj", "encoder.layer.*.attention.self.query"},
      {"layers.*.self_attn.k_proj", "encoder.layer.*.attention.self.key"},
      {"layers.*.self_attn.v_proj", "encoder.layer.*.attention.self.value"},
      {"layers.*.self_attn.o_proj", "encoder.layer.*.attention.output.dense"},
      {"layers.*.post_attention_layernorm", "encoder.layer.*.attention.output.LayerNorm"},
      {"layers.*.mlp.up_proj", "encoder.layer.*.intermediate.dense"},
      {"layers.*.mlp.down_proj", "encoder.layer.*.output.dense"},
      {"layers.*.post_mlp_layernorm", "encoder.layer.*.output.LayerNorm"}};
};

/// The backbone: layers that normalise what they add to, and a pooler of the first token.
template <class B>
using PostNormEncoderBlock = PostNormBlock<LayerNorm<B>, SelfAttention<B, no_positions>, MLP<B>>;
template <class B>
using PostNormEncoder = TextModel<PostNormEncoderBlock, LayerNorm, B>;

/// Gives an encoder embeddings of another width, which a last linear layer brings to the model's where it differs, or
/// where it is there `always`.
void project_embeddings(TextModelOptions<>& o, isize embedding_size, bool always = false);

/// The summary that a config names as its summary_type; throws unsupported_error for those that need more than a text.
SummaryOptions::kind find_summary(std::string_view name, const char* where);

#if HFT_DEFINES(MODELS)

HFT_INLINE void project_embeddings(TextModelOptions<>& o, isize embedding_size, bool always) {
  auto& e = o.embeddings;
  if (embedding_size != e.hidden_size || always) e.projected_size = e.hidden_size, e.projected_last = true;
  e.hidden_size = e.norm->size = embedding_size;
}

HFT_INLINE SummaryOptions::kind find_summary(std::string_view name, const char* where) {
  if (name == "first") return SummaryOptions::first;
  if (name == "last") return SummaryOptions::last;
  if (name == "mean") return SummaryOptions::mean;
  throw unsupported_error(where, "summary_type", "first, last or mean", detail::quote_text(name));
}

HFT_INLINE void EncoderConfig::fields(field_visitor& v) {
  v("vocab_size", vocab_size, v.extent);
  v("hidden_size", hidden_size, v.extent.gguf("embedding_length"));
  v("num_hidden_layers", num_hidden_layers, v.layers.gguf("block_count"));
  v("num_attention_heads", num_attention_heads, v.extent.gguf("attention.head_count"));
  v("intermediate_size", intermediate_size, v.extent.gguf("feed_forward_length"));
  v("hidden_act", hidden_act);
  v("hidden_dropout_prob", hidden_dropout_prob, v.rate);
  v("attention_probs_dropout_prob", attention_probs_dropout_prob, v.rate);
  v("max_position_embeddings", max_position_embeddings, v.extent.gguf("context_length"));
  v("type_vocab_size", type_vocab_size, field_rule{0, v.largest_extent});
  v("initializer_range", initializer_range);
  v("layer_norm_eps", layer_norm_eps, v.not_negative.gguf("attention.layer_norm_epsilon"));
  v("pad_token_id", pad_token_id, v.anything.gguf("tokenizer.ggml.padding_token_id"));
  v("classifier_dropout", classifier_dropout, v.rate);
  v("is_decoder", is_decoder);
  v("use_cache", use_cache, v.anything.written_if_set());
  v("add_cross_attention", add_cross_attention, v.anything.written_if_set());
  v("bos_token_id", bos_token_id, v.anything.gguf("tokenizer.ggml.bos_token_id"));
  v("eos_token_id", eos_token_id, v.anything.gguf("tokenizer.ggml.eos_token_id"));
  v("tie_word_embeddings", tie_word_embeddings);
  v("id2label", id2label);
  v("problem_type", problem_type);
}

HFT_INLINE void EncoderConfig::complete_from(const gguf_file& file) {
  bool tied = true;
  complete_embeddings_from(file, vocab_size, tied);
  const auto* types = file.find_tensor("token_types.weight");
  type_vocab_size = types ? types->numel() / std::max<isize>(hidden_size, 1) : 0;
}

HFT_INLINE void EncoderConfig::complete_in(gguf_keys& keys) const {
  keys.flag("attention.causal", is_decoder);
  keys.number("tokenizer.ggml.token_type_count", type_vocab_size);
}

HFT_INLINE void EncoderConfig::check(const char* model_type, bool decodes) const {
  check_divides(model_type, "num_attention_heads", num_attention_heads, "hidden_size", hidden_size);
  if (is_decoder && !decodes) throw unsupported_error(model_type, "is_decoder", "false", "true");
  if (add_cross_attention.value_or(false)) throw unsupported_error(model_type, "add_cross_attention", "false", "true");
  find_activation(hidden_act, model_type);
}

HFT_INLINE TextModelOptions<> EncoderConfig::text_model(const char* where) const {
  const NormOptions norm{.size = hidden_size, .eps = layer_norm_eps};
  AttentionOptions attention{.hidden_size = hidden_size,
                             .num_heads = num_attention_heads,
                             .num_kv_heads = num_attention_heads,
                             .head_dim = hidden_size / num_attention_heads,
                             .bias = true,
                             .output_bias = true,
                             .visible = is_decoder ? visibility::causal() : visibility::everything(),
                             .dropout = attention_probs_dropout_prob};
  const MLPOptions mlp{.hidden_size = hidden_size,
                       .intermediate_size = intermediate_size,
                       .activation = find_activation(hidden_act, where),
                       .bias = true};
  TextModelOptions<> o{.where = where,
                       .embeddings = {.vocab_size = vocab_size,
                                      .hidden_size = hidden_size,
                                      .pad_token_id = pad_token_id,
                                      .max_positions = max_position_embeddings,
                                      .token_types = type_vocab_size,
                                      .norm = norm,
                                      .dropout = hidden_dropout_prob},
                       .pooler = PoolerOptions{hidden_size},
                       .causal = is_decoder};
  for (attention.layer = 0; attention.layer < num_hidden_layers; ++attention.layer)
    o.layers.push_back({.norm = norm, .attention = attention, .mlp = mlp, .dropout = hidden_dropout_prob});
  return o;
}

HFT_INLINE MaskedLMHeadOptions EncoderConfig::masked_lm_head() const {
  return {.hidden_size = hidden_size,
          .vocab_size = vocab_size,
          .activation = find_activation(hidden_act, "encoder"),
          .norm = {.size = hidden_size, .eps = layer_norm_eps},
          .tied = tie_word_embeddings};
}

#endif  // HFT_DEFINES

}  // namespace hft
