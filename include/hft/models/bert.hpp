// BERT: a post-norm encoder that sees both directions, with learned positions and token types.
// Devlin et al. 2018, arXiv 1810.04805. transformers/models/bert/modeling_bert.py
#pragma once
#include <hft/models/encoder.hpp>

namespace hft {

/// transformers.BertConfig; fields have its names and defaults.
struct BertConfig : EncoderConfig {
  static constexpr const char* model_type = "bert";
  static constexpr const char* class_prefix = "Bert";

  void check() const { EncoderConfig::check(model_type, true); }
  TextModelOptions<> text_model() const { return EncoderConfig::text_model("BertModel"); }

  static constexpr name_rule head_rules[] = {{"head.dense", "cls.predictions.transform.dense"},
                                             {"head.norm", "cls.predictions.transform.LayerNorm"},
                                             {"head.bias", "cls.predictions.bias"},
                                             {"decoder", "cls.predictions.decoder"},
                                             {"seq_relationship", "cls.seq_relationship"}};
  static constexpr auto rules = joined_rules(layer_rules, head_rules);
  // TensorFlow's names of LayerNorm's parameters, which old checkpoints keep.
  static constexpr std::pair<std::string_view, std::string_view> old_endings[] = {{".gamma", ".weight"},
                                                                                  {".beta", ".bias"}};
  static constexpr std::string_view ignored[] = {"*embeddings.position_ids"};  // buffers
  // The pooler and the next-sentence head that pre-training left in many checkpoints of classes that have none.
  static constexpr std::string_view may_be_left[] = {"*pooler.dense.*", "cls.seq_relationship.*"};
  static constexpr std::pair<std::string_view, std::string_view> class_suffixes[] = {{"ForCausalLM", "LMHeadModel"}};
  static constexpr name_tables names{.base_model_prefix = "bert",
                                     .rules = rules,
                                     .gguf = gguf_names,
                                     .gguf_class = "Model",
                                     .gguf_told = [](const gguf_file& file) { return !gguf_skips_padding(file); },
                                     .old_endings = old_endings,
                                     .ignored = ignored,
                                     .may_be_left = may_be_left,
                                     .class_suffixes = class_suffixes};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BertModel = PreTrainedModel<BertConfig, PostNormEncoder<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BertForPreTraining = PreTrainedModel<BertConfig, ForPreTraining<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BertForNextSentencePrediction =
    PreTrainedModel<BertConfig, ForNextSentencePrediction<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BertForMaskedLM = PreTrainedModel<BertConfig, ForMaskedLM<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BertLMHeadModel = PreTrainedModel<BertConfig, EncoderForCausalLM<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BertForSequenceClassification =
    PreTrainedModel<BertConfig, ForSequenceClassification<PostNormEncoder<build<W, D, L, S>>, pooled>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BertForTokenClassification =
    PreTrainedModel<BertConfig, ForTokenClassification<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BertForQuestionAnswering = PreTrainedModel<BertConfig, ForQuestionAnswering<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BertForMultipleChoice =
    PreTrainedModel<BertConfig, ForMultipleChoice<PostNormEncoder<build<W, D, L, S>>, pooled>>;

struct bert : architecture<BertConfig, BertModel, BertForPreTraining, BertForNextSentencePrediction, BertForMaskedLM,
                           BertLMHeadModel, BertForSequenceClassification, BertForTokenClassification,
                           BertForQuestionAnswering, BertForMultipleChoice> {};

}  // namespace hft
