// mT5: T5 1.1 for many languages, whose head sees the decoder's states as they are. Xue et al. 2020, arXiv 2010.11934.
// transformers/models/mt5/modeling_mt5.py
#pragma once
#include <hft/models/t5.hpp>

namespace hft {

/// transformers.MT5Config; fields have its names and defaults.
struct MT5Config : T5Config {
  std::optional<i64> bos_token_id = {};
  bool is_decoder = false;

  static constexpr const char* model_type = "mt5";
  static constexpr const char* class_prefix = "MT5";

  MT5Config() {
    vocab_size = 250112;
    d_ff = 1024;
    num_layers = 8;
    num_heads = 6;
    feed_forward_proj = "gated-gelu";
    decoder_start_token_id = 0;
  }
  void fields(field_visitor& v) {
    T5Config::fields(v);
    v("bos_token_id", bos_token_id);
    v("is_decoder", is_decoder);
  }
  Seq2SeqLMHeadOptions seq2seq_lm_head() const {
    return {.head = {.hidden_size = d_model, .vocab_size = vocab_size, .tied = true}};
  }
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MT5Model = PreTrainedModel<MT5Config, detail::T5Base<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MT5ForConditionalGeneration =
    PreTrainedModel<MT5Config, ForConditionalGeneration<detail::T5Base<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MT5EncoderModel = PreTrainedModel<MT5Config, EncoderModel<detail::T5Encoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MT5ForSequenceClassification =
    PreTrainedModel<MT5Config, ForSequenceClassification<detail::T5Base<build<W, D, L, S>>, last_eos>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MT5ForTokenClassification =
    PreTrainedModel<MT5Config, ForTokenClassification<EncoderModel<detail::T5Encoder<build<W, D, L, S>>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MT5ForQuestionAnswering = PreTrainedModel<MT5Config, ForQuestionAnswering<detail::T5Base<build<W, D, L, S>>>>;

struct mt5 : architecture<MT5Config, MT5Model, MT5ForConditionalGeneration, MT5EncoderModel,
                          MT5ForSequenceClassification, MT5ForTokenClassification, MT5ForQuestionAnswering> {};

}  // namespace hft
