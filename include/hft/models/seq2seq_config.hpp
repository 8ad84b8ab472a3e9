// What BART and the encoder-decoders after it share: config, options of layers, names, and the compositions.
//
//   struct MyConfig : Seq2SeqConfig { MyConfig() { style = {.norms = norms::before}; } ... };
#pragma once
#include <cmath>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/layers/attention.hpp>
#include <hft/layers/cross_attention.hpp>
#include <hft/models/heads/causal_lm.hpp>
#include <hft/models/heads/classification.hpp>
#include <hft/models/heads/question_answering.hpp>
#include <hft/models/heads/seq2seq_lm.hpp>
#include <hft/models/opt.hpp>
#include <hft/models/pretrained.hpp>

namespace hft {

/// In what the architectures differ, beside their defaults.
struct Seq2SeqStyle {
  enum class position_kind {
    learned,
    fixed,         // sines and cosines that a checkpoint may have, and that learn nothing
    past_padding,  // sines and cosines of positions that skip padding, without an end
  };

  const char* where = "BartModel";       // who speaks in errors
  hft::norms norms = norms::of_the_sum;  // norms::before: and one behind the last layer
  position_kind positions = position_kind::learned;
  isize first_position = 2;  // the row of position 0 in a learned table
  bool embedding_norm = true;
  bool decoder_norms_tokens = false;  // the decoder's embeddings: the norm sees tokens alone, which are not scaled
  bool final_bias = true;             // whether logits have a bias that learns nothing
  bool from_last = false;             // see ShiftOptions
};

/// The config that they share. Fields have the names and defaults of transformers.BartConfig.
struct Seq2SeqConfig {
  isize vocab_size = 50265;
  isize max_position_embeddings = 1024;
  isize encoder_layers = 12, encoder_ffn_dim = 4096, encoder_attention_heads = 16;
  isize decoder_layers = 12, decoder_ffn_dim = 4096, decoder_attention_heads = 16;
  f64 encoder_layerdrop = 0, decoder_layerdrop = 0;
  short_string activation_function = "gelu";
  isize d_model = 1024;
  f64 dropout = 0.1, attention_dropout = 0, activation_dropout = 0;
  f64 init_std = 0.02;
  f64 classifier_dropout = 0;
  bool scale_embedding = false;
  bool use_cache = true, is_encoder_decoder = true, is_decoder = false;
  std::optional<i64> pad_token_id = 1, bos_token_id = 0;
  TokenIds eos_token_id = 2;
  std::optional<i64> decoder_start_token_id = 2;
  TokenIds forced_eos_token_id = 2;
  bool tie_word_embeddings = true;
  ClassLabels id2label = {};
  std::optional<short_string> problem_type = {};

  Seq2SeqStyle style = {};  // of the architecture, and no field

  void fields(field_visitor& v);
  /// Throws config_error for values that do not fit each other. `model_type` names the architecture in errors.
  void check(const char* model_type) const;

  f64 initial_deviation(std::string_view) const { return init_std; }
  bool initialise(std::string_view path, const std::vector<isize>& shape, const random_stream& random,
                  std::vector<f32>& values) const;

  token_tables tables() const { return tie_word_embeddings ? token_tables::shared : token_tables::untied; }
  ShiftOptions shift() const {
    return {
        .decoder_start_token_id = decoder_start_token_id, .pad_token_id = pad_token_id, .from_last = style.from_last};
  }
  TextModelOptions<> encoder() const { return stack(false); }
  TextModelOptions<> decoder() const { return stack(true); }
  TextModelOptions<> text_model() const { return stack(true); }  // of a causal model
  LMHeadOptions lm_head() const {
    return {.hidden_size = d_model, .vocab_size = vocab_size, .tied = tie_word_embeddings, .shifts_labels = false};
  }
  Seq2SeqLMHeadOptions seq2seq_lm_head() const {
    auto head = lm_head();
    head.fixed_bias = style.final_bias;
    return {head};
  }
  ClassifierOptions classifier() const {
    return {.hidden_size = d_model,
            .num_labels = id2label.count(),
            .dropout = classifier_dropout,
            .eos_token_id = eos_token_id,
            .problem_type = problem_type};
  }

  // Those of an encoder and a decoder, then those of a decoder alone, whose paths have no such beginning.
  static constexpr name_rule rules[] = {{"@.embed_norm", "@.layernorm_embedding"},
                                        {"@.norm", "@.layer_norm"},
                                        {"@.layers.*.input_layernorm", "@.layers.*.self_attn_layer_norm"},
                                        {"@.layers.*.self_attn.o_proj", "@.layers.*.self_attn.out_proj"},
                                        {"@.layers.*.cross_attn_layernorm", "@.layers.*.encoder_attn_layer_norm"},
                                        {"@.layers.*.cross_attn.o_proj", "@.layers.*.encoder_attn.out_proj"},
                                        {"@.layers.*.cross_attn", "@.layers.*.encoder_attn"},
                                        {"@.layers.*.post_attention_layernorm", "@.layers.*.final_layer_norm"},
                                        {"@.layers.*.mlp.in_proj", "@.layers.*.fc1"},
                                        {"@.layers.*.mlp.down_proj", "@.layers.*.fc2"},
                                        {"embed_tokens", "decoder.embed_tokens"},
                                        {"embed_positions", "decoder.embed_positions"},
                                        {"embed_norm", "decoder.layernorm_embedding"},
                                        {"norm", "decoder.layer_norm"},
                                        {"layers.*.input_layernorm", "decoder.layers.*.self_attn_layer_norm"},
                                        {"layers.*.self_attn.o_proj", "decoder.layers.*.self_attn.out_proj"},
                                        {"layers.*.cross_attn_layernorm", "decoder.layers.*.encoder_attn_layer_norm"},
                                        {"layers.*.cross_attn.o_proj", "decoder.layers.*.encoder_attn.out_proj"},
                                        {"layers.*.cross_attn", "decoder.layers.*.encoder_attn"},
                                        {"layers.*.post_attention_layernorm", "decoder.layers.*.final_layer_norm"},
                                        {"layers.*.mlp.in_proj", "decoder.layers.*.fc1"},
                                        {"layers.*.mlp.down_proj", "decoder.layers.*.fc2"},
                                        {"layers", "decoder.layers"}};
  static constexpr std::string_view ignored[] = {"*encoder.version", "*decoder.version", "*embed_positions.weights"};
  static constexpr name_tables names{.rules = rules, .ignored = ignored};

 protected:
  TextModelOptions<> stack(bool decodes) const;
};

/// The block of their decoders. That of their encoders is OPT's.
template <class B>
using BartDecoderBlock = CrossBlock<LayerNorm<B>, SelfAttention<B, no_positions>, CrossAttention<B>, FeedForward<B>>;

namespace detail {
template <class B>
using BartDecoder = TextModel<BartDecoderBlock, LayerNorm, B>;
template <class B>
using BartBase = Seq2SeqModel<TextModel<OPTBlock, LayerNorm, B>, BartDecoder<B>>;
}  // namespace detail

#if HFT_DEFINES(MODELS)

HFT_INLINE void Seq2SeqConfig::fields(field_visitor& v) {
  v("vocab_size", vocab_size, v.extent);
  v("max_position_embeddings", max_position_embeddings, v.extent);
  v("encoder_layers", encoder_layers, v.layers.also("num_hidden_layers"));
  v("encoder_ffn_dim", encoder_ffn_dim, v.extent);
  v("encoder_attention_heads", encoder_attention_heads, v.extent.also("num_attention_heads"));
  v("decoder_layers", decoder_layers, v.layers);
  v("decoder_ffn_dim", decoder_ffn_dim, v.extent);
  v("decoder_attention_heads", decoder_attention_heads, v.extent);
  v("encoder_layerdrop", encoder_layerdrop, v.rate);
  v("decoder_layerdrop", decoder_layerdrop, v.rate);
  v("activation_function", activation_function);
  v("d_model", d_model, v.extent.also("hidden_size"));
  v("dropout", dropout, v.rate);
  v("attention_dropout", attention_dropout, v.rate);
  v("activation_dropout", activation_dropout, v.rate);
  v("init_std", init_std);
  v("scale_embedding", scale_embedding);
  v("use_cache", use_cache);
  v("is_encoder_decoder", is_encoder_decoder);
  v("is_decoder", is_decoder);
  v("pad_token_id", pad_token_id);
  v("bos_token_id", bos_token_id);
  v("eos_token_id", eos_token_id);
  v("decoder_start_token_id", decoder_start_token_id);
  v("tie_word_embeddings", tie_word_embeddings);
  v("id2label", id2label);
  v("problem_type", problem_type);
}

HFT_INLINE void Seq2SeqConfig::check(const char* model_type) const {
  check_divides(model_type, "encoder_attention_heads", encoder_attention_heads, "d_model", d_model);
  check_divides(model_type, "decoder_attention_heads", decoder_attention_heads, "d_model", d_model);
  find_activation(activation_function, model_type);
}

HFT_INLINE bool Seq2SeqConfig::initialise(std::string_view path, const std::vector<isize>& shape, const random_stream&,
                                          std::vector<f32>& values) const {
  if (path.ends_with("final_logits_bias")) return true;  // zeros
  if (style.positions != Seq2SeqStyle::position_kind::fixed || !path.ends_with("embed_positions.weight")) return false;
  const auto table = sinusoid_table(shape[0], shape[1]);
  values.assign(table.data(), table.data() + table.size());
  return true;
}

HFT_INLINE TextModelOptions<> Seq2SeqConfig::stack(bool decodes) const {
  const NormOptions norm{.size = d_model};
  const isize heads = decodes ? decoder_attention_heads : encoder_attention_heads;
  AttentionOptions attention{.hidden_size = d_model,
                             .num_heads = heads,
                             .num_kv_heads = heads,
                             .head_dim = d_model / heads,
                             .bias = true,
                             .output_bias = true,
                             .visible = decodes ? visibility() : visibility::everything(),
                             .dropout = attention_dropout};
  const MLPOptions mlp{.hidden_size = d_model,
                       .intermediate_size = decodes ? decoder_ffn_dim : encoder_ffn_dim,
                       .activation = find_activation(activation_function, style.where),
                       .bias = true,
                       .dropout = activation_dropout};
  const bool alone = decodes && style.decoder_norms_tokens;
  TextModelOptions<> o{.where = style.where,
                       .embeddings = {.vocab_size = vocab_size,
                                      .hidden_size = d_model,
                                      .pad_token_id = pad_token_id,
                                      .own_positions = true,
                                      .norm_before_positions = alone,
                                      .scale = scale_embedding && !alone ? std::sqrt(f64(d_model)) : 1,
                                      .dropout = dropout},
                       .layer_drop = decodes ? decoder_layerdrop : encoder_layerdrop,
                       .causal = decodes};
  if (style.positions == Seq2SeqStyle::position_kind::past_padding) {
    o.embeddings.sinusoids = o.embeddings.positions_skip_padding = true;
  } else {
    o.embeddings.first_position = style.first_position;
    o.embeddings.max_positions = max_position_embeddings + style.first_position;
    o.embeddings.fixed_positions = style.positions == Seq2SeqStyle::position_kind::fixed;
  }
  if (style.embedding_norm) o.embeddings.norm = norm;
  if (style.norms == norms::before) o.norm = norm;
  const isize depth = decodes ? decoder_layers : encoder_layers;
  for (attention.layer = 0; attention.layer < depth; ++attention.layer) {
    o.layers.push_back({.norm = norm, .attention = attention, .mlp = mlp, .dropout = dropout, .norms = style.norms});
    if (decodes) o.layers.back().cross_attention = attention;
  }
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
