// mBART: BART that normalises before attention and MLP, for many languages. Liu et al. 2020, arXiv 2001.08210.
// transformers/models/mbart/modeling_mbart.py
#pragma once
#include <hft/models/bart.hpp>

namespace hft {

/// transformers.MBartConfig; fields have its names and defaults.
struct MBartConfig : BartConfig {
  static constexpr const char* model_type = "mbart";
  static constexpr const char* class_prefix = "MBart";

  MBartConfig() {
    style = {.where = "MBartModel", .norms = norms::before, .from_last = true};
    decoder_start_token_id = {};
  }
  void check() const { Seq2SeqConfig::check(model_type); }
  ClassifierOptions classifier() const { return Seq2SeqConfig::classifier(); }
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MBartModel = PreTrainedModel<MBartConfig, detail::BartBase<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MBartForConditionalGeneration =
    PreTrainedModel<MBartConfig, ForConditionalGeneration<detail::BartBase<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MBartForSequenceClassification =
    PreTrainedModel<MBartConfig, ForSequenceClassification<detail::BartBase<build<W, D, L, S>>, last_eos>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MBartForQuestionAnswering =
    PreTrainedModel<MBartConfig, ForQuestionAnswering<detail::BartBase<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MBartForCausalLM = PreTrainedModel<MBartConfig, ForCausalLM<detail::BartDecoder<build<W, D, L, S>>>>;

struct mbart : architecture<MBartConfig, MBartModel, MBartForConditionalGeneration, MBartForSequenceClassification,
                            MBartForQuestionAnswering, MBartForCausalLM> {};

}  // namespace hft
