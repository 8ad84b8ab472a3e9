// ERNIE: BERT with a table of tasks beside that of token types. Sun et al. 2019, arXiv 1907.12412.
// transformers/models/ernie/modeling_ernie.py
#pragma once
#include <hft/models/bert.hpp>

namespace hft {

/// transformers.ErnieConfig; fields have its names and defaults.
struct ErnieConfig : EncoderConfig {
  isize task_type_vocab_size = 3;
  bool use_task_id = false;

  static constexpr const char* model_type = "ernie";
  static constexpr const char* class_prefix = "Ernie";

  void fields(field_visitor& v);
  void check() const { EncoderConfig::check(model_type, true); }
  TextModelOptions<> text_model() const {
    auto o = EncoderConfig::text_model("ErnieModel");
    if (use_task_id) o.embeddings.task_types = task_type_vocab_size;
    return o;
  }

  static constexpr name_rule task_rules[] = {{"embed_task_types", "embeddings.task_type_embeddings"}};
  static constexpr auto rules = joined_rules(layer_rules, task_rules, BertConfig::head_rules);
  static constexpr name_tables names{.base_model_prefix = "ernie",
                                     .rules = rules,
                                     .ignored = BertConfig::ignored,
                                     .may_be_left = BertConfig::may_be_left};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ErnieModel = PreTrainedModel<ErnieConfig, PostNormEncoder<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ErnieForPreTraining = PreTrainedModel<ErnieConfig, ForPreTraining<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ErnieForNextSentencePrediction =
    PreTrainedModel<ErnieConfig, ForNextSentencePrediction<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ErnieForMaskedLM = PreTrainedModel<ErnieConfig, ForMaskedLM<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ErnieForCausalLM = PreTrainedModel<ErnieConfig, EncoderForCausalLM<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ErnieForSequenceClassification =
    PreTrainedModel<ErnieConfig, ForSequenceClassification<PostNormEncoder<build<W, D, L, S>>, pooled>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ErnieForTokenClassification =
    PreTrainedModel<ErnieConfig, ForTokenClassification<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ErnieForQuestionAnswering =
    PreTrainedModel<ErnieConfig, ForQuestionAnswering<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ErnieForMultipleChoice =
    PreTrainedModel<ErnieConfig, ForMultipleChoice<PostNormEncoder<build<W, D, L, S>>, pooled>>;

struct ernie : architecture<ErnieConfig, ErnieModel, ErnieForPreTraining, ErnieForNextSentencePrediction,
                            ErnieForMaskedLM, ErnieForCausalLM, ErnieForSequenceClassification,
                            ErnieForTokenClassification, ErnieForQuestionAnswering, ErnieForMultipleChoice> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void ErnieConfig::fields(field_visitor& v) {
  EncoderConfig::fields(v);
  v("task_type_vocab_size", task_type_vocab_size, v.extent);
  v("use_task_id", use_task_id);
}

#endif  // HFT_DEFINES

}  // namespace hft
