// BlenderbotSmall: BART's layers, whose decoder adds positions to tokens that are normed. Roller et al. 2020, arXiv
// 2004.13637. transformers/models/blenderbot_small/modeling_blenderbot_small.py
#pragma once
#include <hft/models/seq2seq_config.hpp>

namespace hft {

/// transformers.BlenderbotSmallConfig; fields have its names and defaults.
struct BlenderbotSmallConfig : Seq2SeqConfig {
  static constexpr const char* model_type = "blenderbot-small";
  static constexpr const char* class_prefix = "BlenderbotSmall";

  BlenderbotSmallConfig() {
    style = {.where = "BlenderbotSmallModel", .first_position = 0, .decoder_norms_tokens = true};
    max_position_embeddings = d_model = 512;
    encoder_layers = decoder_layers = 8;
    encoder_ffn_dim = decoder_ffn_dim = 2048;
    pad_token_id = 0;
    bos_token_id = decoder_start_token_id = 1;
  }
  void fields(field_visitor& v) {
    Seq2SeqConfig::fields(v);
    v("forced_eos_token_id", forced_eos_token_id);
  }
  void check() const { Seq2SeqConfig::check(model_type); }
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BlenderbotSmallModel = PreTrainedModel<BlenderbotSmallConfig, detail::BartBase<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BlenderbotSmallForConditionalGeneration =
    PreTrainedModel<BlenderbotSmallConfig, ForConditionalGeneration<detail::BartBase<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BlenderbotSmallForCausalLM =
    PreTrainedModel<BlenderbotSmallConfig, ForCausalLM<detail::BartDecoder<build<W, D, L, S>>>>;

struct blenderbot_small : architecture<BlenderbotSmallConfig, BlenderbotSmallModel,
                                       BlenderbotSmallForConditionalGeneration, BlenderbotSmallForCausalLM> {};

}  // namespace hft
