// LED: BART whose encoder's tokens see a window, and some of which see all others, as Longformer's. Beltagy et al.
// 2020, arXiv 2004.05150. transformers/models/led/modeling_led.py
#pragma once
#include <hft/layers/global_attention.hpp>
#include <hft/layers/global_embeddings.hpp>
#include <hft/models/seq2seq_config.hpp>

namespace hft {

/// transformers.LEDConfig; fields have its names and defaults.
struct LEDConfig : Seq2SeqConfig {
  isize max_encoder_position_embeddings = 16384, max_decoder_position_embeddings = 1024;
  TokenIds attention_window = 512;  // numbers: of all layers, or of each; both sides together

  static constexpr const char* model_type = "led";
  static constexpr const char* class_prefix = "LED";
  static constexpr bool shifts_input = true;

  LEDConfig() { style = {.where = "LEDModel", .first_position = 0}; }
  void fields(field_visitor& v);
  void check() const;

  BackboneOptions<GlobalEmbeddingsOptions, BlockOptions> encoder() const;
  TextModelOptions<> decoder() const {
    auto o = Seq2SeqConfig::decoder();
    o.embeddings.max_positions = max_decoder_position_embeddings;
    return o;
  }

  static constexpr name_rule encoder_rules[] = {
      {"encoder.layers.*.self_attn.q_proj", "encoder.layers.*.self_attn.longformer_self_attn.query"},
      {"encoder.layers.*.self_attn.k_proj", "encoder.layers.*.self_attn.longformer_self_attn.key"},
      {"encoder.layers.*.self_attn.v_proj", "encoder.layers.*.self_attn.longformer_self_attn.value"},
      {"encoder.layers.*.self_attn.query_global", "encoder.layers.*.self_attn.longformer_self_attn.query_global"},
      {"encoder.layers.*.self_attn.key_global", "encoder.layers.*.self_attn.longformer_self_attn.key_global"},
      {"encoder.layers.*.self_attn.value_global", "encoder.layers.*.self_attn.longformer_self_attn.value_global"},
      {"encoder.layers.*.self_attn.o_proj", "encoder.layers.*.self_attn.output"}};
  static constexpr auto rules = joined_rules(encoder_rules, Seq2SeqConfig::rules);
  static constexpr name_tables names{.base_model_prefix = "led", .rules = rules, .ignored = ignored};
};

template <class B>
using LEDEncoderBlock = TransformerBlock<LayerNorm<B>, GlobalAttention<B>, FeedForward<B>>;

namespace detail {
template <class B>
using LEDBase = Seq2SeqModel<Backbone<GlobalEmbeddings, LEDEncoderBlock, LayerNorm, B>, BartDecoder<B>>;
}  // namespace detail

template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using LEDModel = PreTrainedModel<LEDConfig, detail::LEDBase<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using LEDForConditionalGeneration =
    PreTrainedModel<LEDConfig, ForConditionalGeneration<detail::LEDBase<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using LEDForQuestionAnswering = PreTrainedModel<LEDConfig, ForQuestionAnswering<detail::LEDBase<build<W, D, L, S>>>>;

struct led : architecture<LEDConfig, LEDModel, LEDForConditionalGeneration, LEDForQuestionAnswering> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void LEDConfig::fields(field_visitor& v) {
  v("vocab_size", vocab_size, v.extent);
  v("max_encoder_position_embeddings", max_encoder_position_embeddings, v.extent);
  v("max_decoder_position_embeddings", max_decoder_position_embeddings, v.extent);
  v("encoder_layers", encoder_layers, v.layers.also("num_hidden_layers"));
  v("encoder_ffn_dim", encoder_ffn_dim, v.extent);
  v("encoder_attention_heads", encoder_attention_heads, v.extent.also("num_attention_heads"));
  v("decoder_layers", decoder_layers, v.layers);
  v("decoder_ffn_dim", decoder_ffn_dim, v.extent);
  v("decoder_attention_heads", decoder_attention_heads, v.extent);
  v("encoder_layerdrop", encoder_layerdrop, v.rate);
  v("decoder_layerdrop", decoder_layerdrop, v.rate);
  v("use_cache", use_cache);
  v("is_encoder_decoder", is_encoder_decoder);
  v("activation_function", activation_function);
  v("d_model", d_model, v.extent.also("hidden_size"));
  v("dropout", dropout, v.rate);
  v("attention_dropout", attention_dropout, v.rate.also("attention_probs_dropout_prob"));
  v("activation_dropout", activation_dropout, v.rate);
  v("init_std", init_std, v.anything.also("initializer_range"));
  v("decoder_start_token_id", decoder_start_token_id);
  v("classifier_dropout", classifier_dropout, v.rate);
  v("pad_token_id", pad_token_id);
  v("bos_token_id", bos_token_id);
  v("eos_token_id", eos_token_id);
  v("attention_window", attention_window);
  v("tie_word_embeddings", tie_word_embeddings);
  v("id2label", id2label);
  v("problem_type", problem_type);
}

HFT_INLINE void LEDConfig::check() const {
  Seq2SeqConfig::check(model_type);
  const auto& windows = attention_window.ids;
  if (windows.size() != 1 && isize(windows.size()) != encoder_layers)
    throw config_error(model_type, "attention_window", detail::joined("one for each of ", encoder_layers, " layers"),
                       detail::joined(windows.size()));
  for (const i64 window : windows)
    if (window < 2 || window % 2)
      throw config_error(model_type, "attention_window", "even numbers of at least 2", detail::joined(window));
}

HFT_INLINE BackboneOptions<GlobalEmbeddingsOptions, BlockOptions> LEDConfig::encoder() const {
  const auto plain = Seq2SeqConfig::encoder();
  auto o = plain.over(GlobalEmbeddingsOptions{plain.embeddings});
  o.embeddings.max_positions = max_encoder_position_embeddings;
  for (std::size_t i = 0; i < o.layers.size(); ++i) {
    const isize side = attention_window.ids[attention_window.ids.size() == 1 ? 0 : i] / 2;
    o.layers[i].attention.visible = visibility::around(side, side);
  }
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
