// BART: an encoder and a decoder that normalise what they add to, with learned positions. Lewis et al. 2019, arXiv
// 1910.13461. transformers/models/bart/modeling_bart.py
#pragma once
#include <hft/models/seq2seq_config.hpp>

namespace hft {

/// transformers.BartConfig; fields have its names and defaults.
struct BartConfig : Seq2SeqConfig {
  static constexpr const char* model_type = "bart";
  static constexpr const char* class_prefix = "Bart";
  static constexpr bool shifts_input = true;  // without the decoder's tokens they are the encoder's

  void fields(field_visitor& v);
  void check() const { Seq2SeqConfig::check(model_type); }
  ClassifierOptions classifier() const {
    auto o = Seq2SeqConfig::classifier();
    if (id2label.names.empty()) o.num_labels = 3;
    return o;
  }
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BartModel = PreTrainedModel<BartConfig, detail::BartBase<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BartForConditionalGeneration =
    PreTrainedModel<BartConfig, ForConditionalGeneration<detail::BartBase<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BartForSequenceClassification =
    PreTrainedModel<BartConfig, ForSequenceClassification<detail::BartBase<build<W, D, L, S>>, last_eos>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BartForQuestionAnswering = PreTrainedModel<BartConfig, ForQuestionAnswering<detail::BartBase<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BartForCausalLM = PreTrainedModel<BartConfig, ForCausalLM<detail::BartDecoder<build<W, D, L, S>>>>;

struct bart : architecture<BartConfig, BartModel, BartForConditionalGeneration, BartForSequenceClassification,
                           BartForQuestionAnswering, BartForCausalLM> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void BartConfig::fields(field_visitor& v) {
  Seq2SeqConfig::fields(v);
  v("classifier_dropout", classifier_dropout, v.rate);
  v("forced_eos_token_id", forced_eos_token_id);
}

#endif  // HFT_DEFINES

}  // namespace hft
