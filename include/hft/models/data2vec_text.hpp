// data2vec of text: RoBERTa, pre-trained to predict what a teacher makes of the whole text. Baevski et al. 2022, arXiv
// 2202.03555. transformers/models/data2vec/modeling_data2vec_text.py
#pragma once
#include <hft/models/roberta.hpp>

namespace hft {

/// transformers.Data2VecTextConfig; fields have its names and defaults.
struct Data2VecTextConfig : RobertaConfig {
  static constexpr const char* model_type = "data2vec-text";
  static constexpr const char* class_prefix = "Data2VecText";

  Data2VecTextConfig() {
    vocab_size = 30522;
    bos_token_id = 0;
    eos_token_id = 2;
  }
  void check() const { EncoderConfig::check(model_type, true); }

  static constexpr name_tables names{
      .base_model_prefix = "data2vec_text", .rules = rules, .ignored = ignored, .may_be_left = may_be_left};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Data2VecTextModel = PreTrainedModel<Data2VecTextConfig, PostNormEncoder<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Data2VecTextForMaskedLM = PreTrainedModel<Data2VecTextConfig, ForMaskedLM<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Data2VecTextForCausalLM =
    PreTrainedModel<Data2VecTextConfig, EncoderForCausalLM<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Data2VecTextForSequenceClassification =
    PreTrainedModel<Data2VecTextConfig,
                    ForSequenceClassification<PostNormEncoder<build<W, D, L, S>>, first_token_by_tanh>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Data2VecTextForTokenClassification =
    PreTrainedModel<Data2VecTextConfig, ForTokenClassification<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Data2VecTextForQuestionAnswering =
    PreTrainedModel<Data2VecTextConfig, ForQuestionAnswering<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Data2VecTextForMultipleChoice =
    PreTrainedModel<Data2VecTextConfig, ForMultipleChoice<PostNormEncoder<build<W, D, L, S>>, pooled>>;

struct data2vec_text
    : architecture<Data2VecTextConfig, Data2VecTextModel, Data2VecTextForMaskedLM, Data2VecTextForCausalLM,
                   Data2VecTextForSequenceClassification, Data2VecTextForTokenClassification,
                   Data2VecTextForQuestionAnswering, Data2VecTextForMultipleChoice> {};

}  // namespace hft
