// Blenderbot: mBART's layers with learned positions and no norm of embeddings, for conversations. Roller et al. 2020,
// arXiv 2004.13637. transformers/models/blenderbot/modeling_blenderbot.py
#pragma once
#include <hft/models/seq2seq_config.hpp>

namespace hft {

/// transformers.BlenderbotConfig; fields have its names and defaults.
struct BlenderbotConfig : Seq2SeqConfig {
  isize encoder_no_repeat_ngram_size = 3;  // of generation

  static constexpr const char* model_type = "blenderbot";
  static constexpr const char* class_prefix = "Blenderbot";

  BlenderbotConfig() {
    style = {.where = "BlenderbotModel", .norms = norms::before, .first_position = 0, .embedding_norm = false};
    vocab_size = 8008;
    max_position_embeddings = 128;
    encoder_layers = 2, decoder_layers = 24;
    encoder_ffn_dim = decoder_ffn_dim = 10240;
    encoder_attention_heads = decoder_attention_heads = 32;
    d_model = 2560;
    pad_token_id = 0;
    bos_token_id = decoder_start_token_id = 1;
  }
  void fields(field_visitor& v) {
    Seq2SeqConfig::fields(v);
    v("encoder_no_repeat_ngram_size", encoder_no_repeat_ngram_size);
    v("forced_eos_token_id", forced_eos_token_id);
  }
  void check() const { Seq2SeqConfig::check(model_type); }
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BlenderbotModel = PreTrainedModel<BlenderbotConfig, detail::BartBase<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BlenderbotForConditionalGeneration =
    PreTrainedModel<BlenderbotConfig, ForConditionalGeneration<detail::BartBase<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BlenderbotForCausalLM = PreTrainedModel<BlenderbotConfig, ForCausalLM<detail::BartDecoder<build<W, D, L, S>>>>;

struct blenderbot
    : architecture<BlenderbotConfig, BlenderbotModel, BlenderbotForConditionalGeneration, BlenderbotForCausalLM> {};

}  // namespace hft
