// T5: an encoder and a decoder whose attention learns a bias for ranges of distances, and neither scales its scores nor
// has biases. Raffel et al. 2019, arXiv 1910.10683; 1.1 gates its feed-forward layers (Shazeer 2020, arXiv 2002.05202).
// transformers/models/t5/modeling_t5.py
#pragma once
#include <hft/io/gguf_writer.hpp>
#include <hft/layers/attention.hpp>
#include <hft/layers/cross_attention.hpp>
#include <hft/layers/experts.hpp>
#include <hft/models/gguf_names.hpp>
#include <hft/models/heads/classification.hpp>
#include <hft/models/heads/question_answering.hpp>
#include <hft/models/heads/seq2seq_lm.hpp>
#include <hft/models/pretrained.hpp>

namespace hft {

/// transformers.T5Config; fields have its names and defaults.
struct T5Config {
  isize vocab_size = 32128;
  isize d_model = 512;
  isize d_kv = 64;
  isize d_ff = 2048;
  isize num_layers = 6;
  std::optional<isize> num_decoder_layers = {};  // default: num_layers
  isize num_heads = 8;
  isize relative_attention_num_buckets = 32, relative_attention_max_distance = 128;
  f64 dropout_rate = 0.1, classifier_dropout = 0;
  f64 layer_norm_epsilon = 1e-6;
  f64 initializer_factor = 1;
  short_string feed_forward_proj = "relu";  // an activation, or gated- and one
  bool use_cache = true, is_encoder_decoder = true;
  std::optional<i64> pad_token_id = 0;
  TokenIds eos_token_id = 1;
  std::optional<i64> decoder_start_token_id = {};
  // A head is tied unless the checkpoint has another. That of 1.0 sees states divided by the root of their size: where
  // scale_decoder_outputs does not say it, tie_word_embeddings does.
  bool tie_word_embeddings = true;
  ClassLabels id2label = {};
  std::optional<short_string> problem_type = {};
  std::optional<bool> scale_decoder_outputs = {};

  static constexpr const char* model_type = "t5";
  static constexpr const char* class_prefix = "T5";

  void fields(field_visitor& v);
  void check() const;

  TextModelOptions<> encoder() const { return stack(num_layers, false); }
  TextModelOptions<> decoder() const { return stack(num_decoder_layers.value_or(num_layers), true); }
  Seq2SeqLMHeadOptions seq2seq_lm_head() const {
    return {.head = {.hidden_size = d_model, .vocab_size = vocab_size, .tied = true},
            .scale = scale_decoder_outputs.value_or(tie_word_embeddings) ? 1 / std::sqrt(f64(d_model)) : 1};
  }
  ShiftOptions shift() const {
    return {.decoder_start_token_id = decoder_start_token_id, .pad_token_id = pad_token_id};
  }
  ClassifierOptions classifier() const {
    return {.hidden_size = d_model,
            .num_labels = id2label.count(),
            .dropout = classifier_dropout,
            .eos_token_id = eos_token_id,
            .problem_type = problem_type};
  }
  f64 initial_deviation(std::string_view path) const;

  static constexpr name_rule attention_rules[] = {
      {"@.position_bias.*", "@.block.*.layer.0.SelfAttention"},  // of each layer (UMT5)
      {"@.position_bias", "@.block.0.layer.0.SelfAttention"},
      {"@.norm", "@.final_layer_norm"},
      {"@.layers.*.input_layernorm", "@.block.*.layer.0.layer_norm"},
      {"@.layers.*.self_attn.q_proj", "@.block.*.layer.0.SelfAttention.q"},
      {"@.layers.*.self_attn.k_proj", "@.block.*.layer.0.SelfAttention.k"},
      {"@.layers.*.self_attn.v_proj", "@.block.*.layer.0.SelfAttention.v"},
      {"@.layers.*.self_attn.o_proj", "@.block.*.layer.0.SelfAttention.o"},
      {"@.layers.*.cross_attn_layernorm", "@.block.*.layer.1.layer_norm"},
      {"@.layers.*.cross_attn.q_proj", "@.block.*.layer.1.EncDecAttention.q"},
      {"@.layers.*.cross_attn.k_proj", "@.block.*.layer.1.EncDecAttention.k"},
      {"@.layers.*.cross_attn.v_proj", "@.block.*.layer.1.EncDecAttention.v"},
      {"@.layers.*.cross_attn.o_proj", "@.block.*.layer.1.EncDecAttention.o"},
      {"encoder.layers.*.post_attention_layernorm", "encoder.block.*.layer.1.layer_norm"},
      {"decoder.layers.*.post_attention_layernorm", "decoder.block.*.layer.2.layer_norm"}};
  static constexpr name_rule mlp_rules[] = {
      {"encoder.layers.*.mlp.in_proj", "encoder.block.*.layer.1.DenseReluDense.wi"},
      {"encoder.layers.*.mlp.gate_proj", "encoder.block.*.layer.1.DenseReluDense.wi_0"},
      {"encoder.layers.*.mlp.up_proj", "encoder.block.*.layer.1.DenseReluDense.wi_1"},
      {"encoder.layers.*.mlp.down_proj", "encoder.block.*.layer.1.DenseReluDense.wo"},
      {"decoder.layers.*.mlp.in_proj", "decoder.block.*.layer.2.DenseReluDense.wi"},
      {"decoder.layers.*.mlp.gate_proj", "decoder.block.*.layer.2.DenseReluDense.wi_0"},
      {"decoder.layers.*.mlp.up_proj", "decoder.block.*.layer.2.DenseReluDense.wi_1"},
      {"decoder.layers.*.mlp.down_proj", "decoder.block.*.layer.2.DenseReluDense.wo"}};
  static constexpr auto rules = joined_rules(attention_rules, mlp_rules);
  // The table of tokens under its other names, and a bias that old checkpoints have and no pass uses.
  static constexpr std::string_view ignored[] = {
      "encoder.embed_tokens.weight", "decoder.embed_tokens.weight",
      "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight"};
  static constexpr std::string_view may_be_left[] = {"decoder.*", "*.decoder.*",
                                                     "lm_head.weight"};  // of an encoder alone
  static constexpr std::pair<std::string_view, std::string_view> prefixes[] = {
      {"ForSequenceClassification", "transformer"}, {"ForTokenClassification", "transformer"}};
  static constexpr name_rule gguf_encoder_names[] = {
      {"model.shared", "token_embd"},
      {"model.encoder.position_bias.*.relative_attention_bias", "enc.blk.*.attn_rel_b"},
      {"model.encoder.position_bias.relative_attention_bias", "enc.blk.0.attn_rel_b"},
      {"model.encoder.layers.*.input_layernorm", "enc.blk.*.attn_norm"},
      {"model.encoder.layers.*.self_attn.q_proj", "enc.blk.*.attn_q"},
      {"model.encoder.layers.*.self_attn.k_proj", "enc.blk.*.attn_k"},
      {"model.encoder.layers.*.self_attn.v_proj", "enc.blk.*.attn_v"},
      {"model.encoder.layers.*.self_attn.o_proj", "enc.blk.*.attn_o"},
      {"model.encoder.layers.*.post_attention_layernorm", "enc.blk.*.ffn_norm"},
      {"model.encoder.layers.*.mlp.in_proj", "enc.blk.*.ffn_up"},
      {"model.encoder.layers.*.mlp.gate_proj", "enc.blk.*.ffn_gate"},
      {"model.encoder.layers.*.mlp.up_proj", "enc.blk.*.ffn_up"},
      {"model.encoder.layers.*.mlp.down_proj", "enc.blk.*.ffn_down"},
      {"model.encoder.norm", "enc.output_norm"},
      {"lm_head", "output"}};
  static constexpr name_rule gguf_decoder_names[] = {
      {"model.decoder.position_bias.*.relative_attention_bias", "dec.blk.*.attn_rel_b"},
      {"model.decoder.position_bias.relative_attention_bias", "dec.blk.0.attn_rel_b"},
      {"model.decoder.layers.*.input_layernorm", "dec.blk.*.attn_norm"},
      {"model.decoder.layers.*.self_attn.q_proj", "dec.blk.*.attn_q"},
      {"model.decoder.layers.*.self_attn.k_proj", "dec.blk.*.attn_k"},
      {"model.decoder.layers.*.self_attn.v_proj", "dec.blk.*.attn_v"},
      {"model.decoder.layers.*.self_attn.o_proj", "dec.blk.*.attn_o"},
      {"model.decoder.layers.*.cross_attn_layernorm", "dec.blk.*.cross_attn_norm"},
      {"model.decoder.layers.*.cross_attn.q_proj", "dec.blk.*.cross_attn_q"},
      {"model.decoder.layers.*.cross_attn.k_proj", "dec.blk.*.cross_attn_k"},
      {"model.decoder.layers.*.cross_attn.v_proj", "dec.blk.*.cross_attn_v"},
      {"model.decoder.layers.*.cross_attn.o_proj", "dec.blk.*.cross_attn_o"},
      {"model.decoder.layers.*.post_attention_layernorm", "dec.blk.*.ffn_norm"},
      {"model.decoder.layers.*.mlp.in_proj", "dec.blk.*.ffn_up"},
      {"model.decoder.layers.*.mlp.gate_proj", "dec.blk.*.ffn_gate"},
      {"model.decoder.layers.*.mlp.up_proj", "dec.blk.*.ffn_up"},
      {"model.decoder.layers.*.mlp.down_proj", "dec.blk.*.ffn_down"},
      {"model.decoder.norm", "dec.output_norm"}};
  static constexpr auto gguf_names = joined_rules(gguf_encoder_names, gguf_decoder_names);
  /// Whether a file's layers each have their own bias of positions.
  static bool gguf_is_umt5(const gguf_file& file) { return file.find_tensor("enc.blk.1.attn_rel_b.weight") != nullptr; }
  void complete_from(const gguf_file& file);
  void complete_in(gguf_keys& keys) const {
    keys.number("context_length", 512);  // of llama.cpp's; the model has no limit
    keys.number("attention.value_length", d_kv);
    keys.real("attention.layer_norm_epsilon", layer_norm_epsilon);
  }
  static constexpr std::pair<std::string_view, std::string_view> gguf_classes[] = {{"t5encoder", "EncoderModel"}};
  static constexpr std::string_view kept_linear[] = {"wo"};
  static constexpr name_tables names{.base_model_prefix = "",
                                     .prefixes = prefixes,
                                     .rules = rules,
                                     .gguf = gguf_names,
                                     .gguf_architecture = "t5",
                                     .gguf_classes = gguf_classes,
                                     .gguf_told = [](const gguf_file& file) { return !gguf_is_umt5(file); },
                                     .ignored = ignored,
                                     .may_be_left = may_be_left,
                                     .kept_linear = kept_linear};

 protected:
  TextModelOptions<> stack(isize depth, bool decodes) const;
  bool gated() const { return feed_forward_proj.view().starts_with("gated-"); }
  std::string_view activation() const;
};

template <class B>
using T5EncoderBlock = PreNormBlock<RMSNorm<B>, SelfAttention<B, no_positions>, SparseMLP<B, FeedForward<B>>>;
template <class B>
using T5DecoderBlock =
    CrossBlock<RMSNorm<B>, SelfAttention<B, no_positions>, CrossAttention<B>, SparseMLP<B, FeedForward<B>>>;

namespace detail {
template <class B>
using T5Encoder = TextModel<T5EncoderBlock, RMSNorm, B>;
template <class B>
using T5Base = Seq2SeqModel<T5Encoder<B>, TextModel<T5DecoderBlock, RMSNorm, B>>;
}  // namespace detail

template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using T5Model = PreTrainedModel<T5Config, detail::T5Base<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using T5ForConditionalGeneration =
    PreTrainedModel<T5Config, ForConditionalGeneration<detail::T5Base<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using T5EncoderModel = PreTrainedModel<T5Config, EncoderModel<detail::T5Encoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using T5ForSequenceClassification =
    PreTrainedModel<T5Config, ForSequenceClassification<detail::T5Base<build<W, D, L, S>>, last_eos>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using T5ForTokenClassification =
    PreTrainedModel<T5Config, ForTokenClassification<EncoderModel<detail::T5Encoder<build<W, D, L, S>>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using T5ForQuestionAnswering = PreTrainedModel<T5Config, ForQuestionAnswering<detail::T5Base<build<W, D, L, S>>>>;

struct t5 : architecture<T5Config, T5Model, T5ForConditionalGeneration, T5EncoderModel, T5ForSequenceClassification,
                         T5ForTokenClassification, T5ForQuestionAnswering> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void T5Config::fields(field_visitor& v) {
  v("vocab_size", vocab_size, v.extent);
  v("d_model", d_model, v.extent.also("hidden_size").gguf("embedding_length"));
  v("d_kv", d_kv, v.extent.also("head_dim").gguf("attention.key_length"));
  v("d_ff", d_ff, v.extent.gguf("feed_forward_length"));
  v("num_layers", num_layers, v.layers.also("num_hidden_layers").gguf("block_count"));
  v("num_decoder_layers", num_decoder_layers, v.layers.gguf("decoder_block_count"));
  v("num_heads", num_heads, v.extent.also("num_attention_heads").gguf("attention.head_count"));
  v("relative_attention_num_buckets", relative_attention_num_buckets,
    v.extent.gguf("attention.relative_buckets_count"));
  v("relative_attention_max_distance", relative_attention_max_distance, v.extent);
  v("dropout_rate", dropout_rate, v.rate);
  v("classifier_dropout", classifier_dropout, v.rate);
  v("layer_norm_epsilon", layer_norm_epsilon, v.not_negative.gguf("attention.layer_norm_rms_epsilon"));
  v("initializer_factor", initializer_factor);
  v("feed_forward_proj", feed_forward_proj);
  v("use_cache", use_cache);
  v("is_encoder_decoder", is_encoder_decoder);
  v("pad_token_id", pad_token_id, v.anything.gguf("tokenizer.ggml.padding_token_id"));
  v("eos_token_id", eos_token_id, v.anything.gguf("tokenizer.ggml.eos_token_id"));
  v("decoder_start_token_id", decoder_start_token_id, v.anything.gguf("decoder_start_token_id"));
  v("tie_word_embeddings", tie_word_embeddings);
  v("id2label", id2label);
  v("problem_type", problem_type);
  v("scale_decoder_outputs", scale_decoder_outputs);
}

HFT_INLINE void T5Config::complete_from(const gguf_file& file) {
  complete_embeddings_from(file, vocab_size, tie_word_embeddings);
  feed_forward_proj = file.find_tensor("enc.blk.0.ffn_gate.weight") ? "gated-gelu" : "relu";
}

HFT_INLINE void T5Config::check() const {
  find_activation(activation(), model_type);
  for (const bool bidirectional : {true, false})
    detail::check(
        RelativePositionOptions{relative_attention_num_buckets, relative_attention_max_distance, bidirectional});
}

HFT_INLINE std::string_view T5Config::activation() const {
  const auto name = feed_forward_proj.view();
  if (!gated()) return name;
  return name == "gated-gelu" ? "gelu_new" : name.substr(name.find('-') + 1);
}

HFT_INLINE TextModelOptions<> T5Config::stack(isize depth, bool decodes) const {
  const NormOptions norm{.size = d_model, .eps = layer_norm_epsilon};
  AttentionOptions attention{.hidden_size = d_model,
                             .num_heads = num_heads,
                             .num_kv_heads = num_heads,
                             .head_dim = d_kv,
                             .visible = decodes ? visibility() : visibility::everything(),
                             .scale = 1,
                             .dropout = dropout_rate};
  const MLPOptions mlp{.hidden_size = d_model,
                       .intermediate_size = d_ff,
                       .activation = find_activation(activation(), model_type),
                       .gated = gated(),
                       .dropout = dropout_rate};
  TextModelOptions<> o{.where = class_prefix,
                       .embeddings = {.vocab_size = vocab_size, .hidden_size = d_model, .dropout = dropout_rate},
                       .norm = norm,
                       .position_bias = RelativePositionOptions{.num_buckets = relative_attention_num_buckets,
                                                                .max_distance = relative_attention_max_distance,
                                                                .bidirectional = !decodes,
                                                                .heads = num_heads},
                       .dropout = dropout_rate,
                       .causal = decodes};
  for (attention.layer = 0; attention.layer < depth; ++attention.layer) {
    o.layers.push_back({.norm = norm, .attention = attention, .mlp = mlp, .dropout = dropout_rate});
    if (decodes) o.layers.back().cross_attention = attention;
  }
  return o;
}

HFT_INLINE f64 T5Config::initial_deviation(std::string_view path) const {
  const auto root = [&](isize size) { return initializer_factor / std::sqrt(f64(size)); };
  if (path == "shared.weight" || path == "lm_head.weight") return initializer_factor;
  if (path.ends_with(".q.weight")) return root(d_model * d_kv);
  if (path.ends_with(".o.weight")) return root(num_heads * d_kv);
  if (path.ends_with(".wo.weight")) return root(d_ff);
  return root(d_model);
}

#endif  // HFT_DEFINES

}  // namespace hft
