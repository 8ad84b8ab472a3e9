// An encoder and a decoder that were trained apart: BERT's, with BERT or GPT-2 as the decoder. Rothe et al. 2019, arXiv
// 1907.12461. transformers/models/encoder_decoder/modeling_encoder_decoder.py
#pragma once
#include <hft/layers/cross_attention.hpp>
#include <hft/models/encoder.hpp>
#include <hft/models/gpt2.hpp>
#include <hft/models/heads/seq2seq_lm.hpp>

namespace hft {

/// One half of transformers.EncoderDecoderConfig: a config with its model_type, bert or gpt2.
struct EncoderDecoderHalf {
  short_string type = "bert";  // model_type
  EncoderConfig bert = {};
  GPT2Config gpt2 = {};
  bool is_decoder = false, add_cross_attention = false;

  bool is_bert() const { return type == short_string("bert"); }
  bool is_gpt2() const { return type == short_string("gpt2"); }
  isize hidden_size() const { return is_bert() ? bert.hidden_size : gpt2.n_embd; }
  isize vocab_size() const { return is_bert() ? bert.vocab_size : gpt2.vocab_size; }
  void fields(field_visitor& v);
};

/// transformers.EncoderDecoderConfig; fields have its names.
struct EncoderDecoderConfig {
  EncoderDecoderHalf encoder_config = {}, decoder_config = {};
  std::optional<i64> pad_token_id = {}, decoder_start_token_id = {};
  bool is_encoder_decoder = true;

  static constexpr const char* model_type = "encoder-decoder";
  static constexpr const char* class_prefix = "EncoderDecoder";

  EncoderDecoderConfig() { decoder_config.is_decoder = decoder_config.add_cross_attention = true; }
  void fields(field_visitor& v);
  /// Throws config_error for values that do not fit each other, unsupported_error for other halves.
  void check() const;

  f64 initial_deviation(std::string_view path) const {
    return decoder_config.is_gpt2() && path.starts_with("decoder.") ? decoder_config.gpt2.initial_deviation(path)
                                                                    : encoder_config.bert.initializer_range;
  }
  token_tables tables() const { return token_tables::apart; }
  ShiftOptions shift() const {
    return {.decoder_start_token_id = decoder_start_token_id, .pad_token_id = pad_token_id, .hides_padding = true};
  }
  const char* decoder_name() const { return decoder_config.is_gpt2() ? "gpt2" : "decoder"; }
  std::optional<std::pair<isize, isize>> projection() const {
    if (encoder_config.hidden_size() == decoder_config.hidden_size()) return {};
    return std::pair{encoder_config.hidden_size(), decoder_config.hidden_size()};
  }
  TextModelOptions<> encoder() const { return encoder_config.bert.text_model("EncoderDecoderModel"); }
  TextModelOptions<> decoder() const;
  Seq2SeqLMHeadOptions seq2seq_lm_head() const;

  static constexpr name_rule rules[] = {
      {"encoder.embed_tokens", "encoder.embeddings.word_embeddings"},
      {"encoder.embed_positions", "encoder.embeddings.position_embeddings"},
      {"encoder.embed_token_types", "encoder.embeddings.token_type_embeddings"},
      {"encoder.embed_norm", "encoder.embeddings.LayerNorm"},
      {"encoder.layers.*.self_attn.q_proj", "encoder.encoder.layer.*.attention.self.query"},
      {"encoder.layers.*.self_attn.k_proj", "encoder.encoder.layer.*.attention.self.key"},
      {"encoder.layers.*.self_attn.v_proj", "encoder.encoder.layer.*.attention.self.value"},
      {"encoder.layers.*.self_attn.o_proj", "encoder.encoder.layer.*.attention.output.dense"},
      {"encoder.layers.*.post_attention_layernorm", "encoder.encoder.layer.*.attention.output.LayerNorm"},
      {"encoder.layers.*.mlp.up_proj", "encoder.encoder.layer.*.intermediate.dense"},
      {"encoder.layers.*.mlp.down_proj", "encoder.encoder.layer.*.output.dense"},
      {"encoder.layers.*.post_mlp_layernorm", "encoder.encoder.layer.*.output.LayerNorm"},
      {"decoder.embed_tokens", "decoder.bert.embeddings.word_embeddings"},
      {"decoder.embed_positions", "decoder.bert.embeddings.position_embeddings"},
      {"decoder.embed_token_types", "decoder.bert.embeddings.token_type_embeddings"},
      {"decoder.embed_norm", "decoder.bert.embeddings.LayerNorm"},
      {"decoder.layers.*.self_attn.q_proj", "decoder.bert.encoder.layer.*.attention.self.query"},
      {"decoder.layers.*.self_attn.k_proj", "decoder.bert.encoder.layer.*.attention.self.key"},
      {"decoder.layers.*.self_attn.v_proj", "decoder.bert.encoder.layer.*.attention.self.value"},
      {"decoder.layers.*.self_attn.o_proj", "decoder.bert.encoder.layer.*.attention.output.dense"},
      {"decoder.layers.*.input_layernorm", "decoder.bert.encoder.layer.*.attention.output.LayerNorm"},
      {"decoder.layers.*.cross_attn.q_proj", "decoder.bert.encoder.layer.*.crossattention.self.query"},
      {"decoder.layers.*.cross_attn.k_proj", "decoder.bert.encoder.layer.*.crossattention.self.key"},
      {"decoder.layers.*.cross_attn.v_proj", "decoder.bert.encoder.layer.*.crossattention.self.value"},
      {"decoder.layers.*.cross_attn.o_proj", "decoder.bert.encoder.layer.*.crossattention.output.dense"},
      {"decoder.layers.*.cross_attn_layernorm", "decoder.bert.encoder.layer.*.crossattention.output.LayerNorm"},
      {"decoder.layers.*.mlp.in_proj", "decoder.bert.encoder.layer.*.intermediate.dense"},
      {"decoder.layers.*.mlp.down_proj", "decoder.bert.encoder.layer.*.output.dense"},
      {"decoder.layers.*.post_attention_layernorm", "decoder.bert.encoder.layer.*.output.LayerNorm"},
      {"head.dense", "decoder.cls.predictions.transform.dense"},
      {"head.norm", "decoder.cls.predictions.transform.LayerNorm"},
      {"lm_head.bias", "decoder.cls.predictions.bias"},
      {"gpt2.embed_tokens", "decoder.transformer.wte"},
      {"gpt2.embed_positions", "decoder.transformer.wpe"},
      {"gpt2.layers.*.input_layernorm", "decoder.transformer.h.*.ln_1"},
      {"gpt2.layers.*.self_attn.qkv_proj", "decoder.transformer.h.*.attn.c_attn", stored_as::transposed},
      {"gpt2.layers.*.self_attn.o_proj", "decoder.transformer.h.*.attn.c_proj", stored_as::transposed},
      {"gpt2.layers.*.cross_attn_layernorm", "decoder.transformer.h.*.ln_cross_attn"},
      {"gpt2.layers.*.cross_attn.q_proj", "decoder.transformer.h.*.crossattention.q_attn", stored_as::transposed},
      {"gpt2.layers.*.cross_attn.kv_proj", "decoder.transformer.h.*.crossattention.c_attn", stored_as::transposed},
      {"gpt2.layers.*.cross_attn.o_proj", "decoder.transformer.h.*.crossattention.c_proj", stored_as::transposed},
      {"gpt2.layers.*.post_attention_layernorm", "decoder.transformer.h.*.ln_2"},
      {"gpt2.layers.*.mlp.in_proj", "decoder.transformer.h.*.mlp.c_fc", stored_as::transposed},
      {"gpt2.layers.*.mlp.down_proj", "decoder.transformer.h.*.mlp.c_proj", stored_as::transposed},
      {"gpt2.norm", "decoder.transformer.ln_f"},
      {"lm_head", "decoder.lm_head"}};
  static constexpr std::string_view ignored[] = {
      "*embeddings.position_ids", "decoder.cls.predictions.decoder.*", "*.attn.bias", "*.attn.masked_bias",
      "*.crossattention.bias",    "*.crossattention.masked_bias"};
  static constexpr std::pair<std::string_view, std::string_view> class_suffixes[] = {
      {"ForConditionalGeneration", "Model"}};
  static constexpr name_tables names{
      .base_model_prefix = "", .rules = rules, .ignored = ignored, .class_suffixes = class_suffixes};
};

template <class B>
using EncoderDecoderBlock =
    CrossBlock<LayerNorm<B>, EitherSelfAttention<B, no_positions>, CrossAttention<B>, FeedForward<B>>;

template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using EncoderDecoderModel = PreTrainedModel<
    EncoderDecoderConfig,
    ForConditionalGeneration<Seq2SeqModel<PostNormEncoder<build<W, D, L, S>>,
                                          TextModel<EncoderDecoderBlock, LayerNorm, build<W, D, L, S>>>>>;

struct encoder_decoder : architecture<EncoderDecoderConfig, EncoderDecoderModel> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void EncoderDecoderHalf::fields(field_visitor& v) {
  v("model_type", type);
  if (is_gpt2())
    gpt2.fields(v);
  else
    bert.fields(v);
  v("is_decoder", is_decoder);
  v("add_cross_attention", add_cross_attention);
}

HFT_INLINE void EncoderDecoderConfig::fields(field_visitor& v) {
  v("encoder", encoder_config);
  v("decoder", decoder_config);
  v("pad_token_id", pad_token_id);
  v("decoder_start_token_id", decoder_start_token_id);
  v("is_encoder_decoder", is_encoder_decoder);
}

HFT_INLINE void EncoderDecoderConfig::check() const {
  const auto &e = encoder_config, &d = decoder_config;
  if (!e.is_bert()) throw unsupported_error(model_type, "encoder.model_type", "bert", std::string(e.type.view()));
  if (!d.is_bert() && !d.is_gpt2())
    throw unsupported_error(model_type, "decoder.model_type", "bert or gpt2", std::string(d.type.view()));
  if (e.is_decoder || !d.is_decoder || !d.add_cross_attention)
    throw unsupported_error(model_type, "is_decoder, add_cross_attention", "of the decoder, and not of the encoder");
  for (const auto* half : {&e, &d}) {
    if (half->is_gpt2()) {
      half->gpt2.check();
      continue;
    }
    const EncoderConfig& c = half->bert;
    check_divides(model_type, "num_attention_heads", c.num_attention_heads, "hidden_size", c.hidden_size);
    find_activation(c.hidden_act, model_type);
  }
  if (d.is_bert() && !d.bert.tie_word_embeddings)
    throw unsupported_error(model_type, "decoder.tie_word_embeddings", "true", "false");
}

HFT_INLINE TextModelOptions<> EncoderDecoderConfig::decoder() const {
  const auto& d = decoder_config;
  auto o = d.is_gpt2() ? d.gpt2.text_model() : d.bert.text_model("EncoderDecoderModel");
  o.where = "EncoderDecoderModel";
  o.pooler.reset();
  o.causal = true;
  for (auto& layer : o.layers) {
    layer.attention.visible = visibility::causal();
    layer.attention.fused = d.is_gpt2();
    layer.cross_attention = layer.attention;
    layer.norms = d.is_gpt2() ? norms::before : norms::of_the_sum;
  }
  return o;
}

HFT_INLINE Seq2SeqLMHeadOptions EncoderDecoderConfig::seq2seq_lm_head() const {
  const auto& d = decoder_config;
  Seq2SeqLMHeadOptions o{.head = {.hidden_size = d.hidden_size(),
                                  .vocab_size = d.vocab_size(),
                                  .tied = d.is_bert() || d.gpt2.tie_word_embeddings,
                                  .bias = d.is_bert()}};
  if (!d.is_bert()) return o;
  o.transform = NormOptions{.size = d.bert.hidden_size, .eps = d.bert.layer_norm_eps};
  o.activation = find_activation(d.bert.hidden_act, model_type);
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
