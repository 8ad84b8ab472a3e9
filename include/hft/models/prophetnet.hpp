// ProphetNet: BART's layers, whose decoder predicts several tokens at once, each in a stream of its own. Qi et al.
// 2020, arXiv 2001.04063. transformers/models/prophetnet/modeling_prophetnet.py
#pragma once
#include <hft/layers/stream_attention.hpp>
#include <hft/layers/stream_embeddings.hpp>
#include <hft/models/seq2seq_config.hpp>

namespace hft {

/// transformers.ProphetNetConfig; fields have its names and defaults.
struct ProphetNetConfig : Seq2SeqConfig {
  bool add_cross_attention = true;
  isize ngram = 2;  // streams
  isize num_buckets = 32, relative_max_distance = 128;
  bool disable_ngram_loss = false;  // whether the first stream alone learns
  f64 eps = 0;                      // label smoothing

  static constexpr const char* model_type = "prophetnet";
  static constexpr const char* class_prefix = "ProphetNet";

  ProphetNetConfig();
  void fields(field_visitor& v);
  void check() const;

  TextModelOptions<> encoder() const { return placed(Seq2SeqConfig::encoder()); }
  BackboneOptions<StreamEmbeddingsOptions, BlockOptions> decoder() const;
  BackboneOptions<StreamEmbeddingsOptions, BlockOptions> text_model() const { return decoder(); }
  LMHeadOptions lm_head() const {
    auto o = Seq2SeqConfig::lm_head();
    o.streams = ngram, o.streams_learn = !disable_ngram_loss, o.label_smoothing = eps;
    return o;
  }
  Seq2SeqLMHeadOptions seq2seq_lm_head() const { return {.head = lm_head()}; }

  static constexpr name_rule rules[] = {
      {"shared", "word_embeddings"},
      {"@.embed_tokens", "@.word_embeddings"},
      {"@.embed_positions", "@.position_embeddings"},
      {"@.embed_streams", "@.ngram_embeddings"},
      {"@.embed_norm", "@.embeddings_layer_norm"},
      {"@.layers.*.input_layernorm", "@.layers.*.self_attn_layer_norm"},
      {"@.layers.*.self_attn.q_proj", "@.layers.*.self_attn.query_proj"},
      {"@.layers.*.self_attn.k_proj", "@.layers.*.self_attn.key_proj"},
      {"@.layers.*.self_attn.v_proj", "@.layers.*.self_attn.value_proj"},
      {"@.layers.*.self_attn.o_proj", "@.layers.*.self_attn.out_proj"},
      {"@.layers.*.cross_attn_layernorm", "@.layers.*.cross_attn_layer_norm"},
      {"@.layers.*.cross_attn.q_proj", "@.layers.*.cross_attn.query_proj"},
      {"@.layers.*.cross_attn.k_proj", "@.layers.*.cross_attn.key_proj"},
      {"@.layers.*.cross_attn.v_proj", "@.layers.*.cross_attn.value_proj"},
      {"@.layers.*.cross_attn.o_proj", "@.layers.*.cross_attn.out_proj"},
      {"@.layers.*.post_attention_layernorm", "@.layers.*.feed_forward_layer_norm"},
      {"@.layers.*.mlp.in_proj", "@.layers.*.feed_forward.intermediate"},
      {"@.layers.*.mlp.down_proj", "@.layers.*.feed_forward.output"},
      {"embed_tokens", "word_embeddings"},
      {"embed_positions", "decoder.position_embeddings"},
      {"embed_streams", "decoder.ngram_embeddings"},
      {"embed_norm", "decoder.embeddings_layer_norm"},
      {"layers.*.input_layernorm", "decoder.layers.*.self_attn_layer_norm"},
      {"layers.*.self_attn.q_proj", "decoder.layers.*.self_attn.query_proj"},
      {"layers.*.self_attn.k_proj", "decoder.layers.*.self_attn.key_proj"},
      {"layers.*.self_attn.v_proj", "decoder.layers.*.self_attn.value_proj"},
      {"layers.*.self_attn.o_proj", "decoder.layers.*.self_attn.out_proj"},
      {"layers.*.cross_attn_layernorm", "decoder.layers.*.cross_attn_layer_norm"},
      {"layers.*.cross_attn.q_proj", "decoder.layers.*.cross_attn.query_proj"},
      {"layers.*.cross_attn.k_proj", "decoder.layers.*.cross_attn.key_proj"},
      {"layers.*.cross_attn.v_proj", "decoder.layers.*.cross_attn.value_proj"},
      {"layers.*.cross_attn.o_proj", "decoder.layers.*.cross_attn.out_proj"},
      {"layers.*.post_attention_layernorm", "decoder.layers.*.feed_forward_layer_norm"},
      {"layers.*.mlp.in_proj", "decoder.layers.*.feed_forward.intermediate"},
      {"layers.*.mlp.down_proj", "decoder.layers.*.feed_forward.output"},
      {"layers", "decoder.layers"}};
  static constexpr name_tables names{.base_model_prefix = "prophetnet", .rules = rules};

 private:
  TextModelOptions<> placed(TextModelOptions<> o) const;
};

template <class B>
using ProphetNetDecoderBlock = CrossBlock<LayerNorm<B>, StreamAttention<B>, CrossAttention<B>, FeedForward<B>>;

namespace detail {
template <class B>
using ProphetNetDecoder = Backbone<StreamEmbeddings, ProphetNetDecoderBlock, LayerNorm, B>;
template <class B>
using ProphetNetBase = Seq2SeqModel<TextModel<OPTBlock, LayerNorm, B>, ProphetNetDecoder<B>>;
}  // namespace detail

template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ProphetNetModel = PreTrainedModel<ProphetNetConfig, detail::ProphetNetBase<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ProphetNetForConditionalGeneration =
    PreTrainedModel<ProphetNetConfig, ForConditionalGeneration<detail::ProphetNetBase<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ProphetNetForCausalLM =
    PreTrainedModel<ProphetNetConfig, ForCausalLM<detail::ProphetNetDecoder<build<W, D, L, S>>>>;

struct prophetnet
    : architecture<ProphetNetConfig, ProphetNetModel, ProphetNetForConditionalGeneration, ProphetNetForCausalLM> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE ProphetNetConfig::ProphetNetConfig() {
  style = {.where = "ProphetNetModel", .first_position = 1, .final_bias = false};
  activation_dropout = attention_dropout = 0.1;
  vocab_size = 30522;
  max_position_embeddings = 512;
  pad_token_id = decoder_start_token_id = 0;
  bos_token_id = 1;
}

HFT_INLINE void ProphetNetConfig::fields(field_visitor& v) {
  v("activation_dropout", activation_dropout, v.rate);
  v("activation_function", activation_function);
  v("vocab_size", vocab_size, v.extent);
  v("hidden_size", d_model, v.extent);
  v("encoder_ffn_dim", encoder_ffn_dim, v.extent);
  v("num_encoder_layers", encoder_layers, v.layers);
  v("num_encoder_attention_heads", encoder_attention_heads, v.extent.also("num_attention_heads"));
  v("decoder_ffn_dim", decoder_ffn_dim, v.extent);
  v("num_decoder_layers", decoder_layers, v.layers);
  v("num_decoder_attention_heads", decoder_attention_heads, v.extent);
  v("attention_dropout", attention_dropout, v.rate);
  v("dropout", dropout, v.rate);
  v("max_position_embeddings", max_position_embeddings, v.extent);
  v("init_std", init_std);
  v("is_encoder_decoder", is_encoder_decoder);
  v("add_cross_attention", add_cross_attention);
  v("decoder_start_token_id", decoder_start_token_id);
  v("ngram", ngram, v.extent);
  v("num_buckets", num_buckets, v.extent);
  v("relative_max_distance", relative_max_distance, v.extent);
  v("disable_ngram_loss", disable_ngram_loss);
  v("eps", eps, v.rate);
  v("use_cache", use_cache);
  v("pad_token_id", pad_token_id);
  v("bos_token_id", bos_token_id);
  v("eos_token_id", eos_token_id);
  v("is_decoder", is_decoder);
  v("tie_word_embeddings", tie_word_embeddings);
}

HFT_INLINE void ProphetNetConfig::check() const {
  Seq2SeqConfig::check(model_type);
  detail::check(RelativePositionOptions{num_buckets, relative_max_distance, false});
  if (!add_cross_attention) throw unsupported_error(model_type, "add_cross_attention", "true", "false");
  if (pad_token_id.value_or(0) < 0 || pad_token_id.value_or(0) + 2 >= max_position_embeddings)
    throw config_error(model_type, "pad_token_id", detail::joined("0 to ", max_position_embeddings - 3),
                       detail::joined(*pad_token_id));
}

// Positions begin behind that of padding.
HFT_INLINE TextModelOptions<> ProphetNetConfig::placed(TextModelOptions<> o) const {
  o.embeddings.first_position = pad_token_id.value_or(0) + 1;
  o.embeddings.max_positions = max_position_embeddings;
  return o;
}

HFT_INLINE BackboneOptions<StreamEmbeddingsOptions, BlockOptions> ProphetNetConfig::decoder() const {
  const auto plain = placed(Seq2SeqConfig::decoder());
  auto o = plain.over(StreamEmbeddingsOptions{plain.embeddings, ngram});
  for (auto& layer : o.layers)
    layer.attention.streams = {.count = ngram,
                               .num_buckets = num_buckets,
                               .max_distance = relative_max_distance,
                               .step_shift = pad_token_id.value_or(0)};
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
