// RoBERTa: BERT with positions that skip padding, one token type, and heads of its own.
// Liu et al. 2019, arXiv 1907.11692. transformers/models/roberta/modeling_roberta.py
//
// XLM-RoBERTa (Conneau et al. 2019, arXiv 1911.02116) and CamemBERT (Martin et al. 2019, arXiv 1911.03894) are RoBERTa
// with other vocabularies.
#pragma once
#include <hft/io/gguf_writer.hpp>
#include <hft/models/encoder.hpp>

namespace hft {

/// transformers.RobertaConfig; fields have its names and defaults.
struct RobertaConfig : EncoderConfig {
  static constexpr const char* model_type = "roberta";
  static constexpr const char* class_prefix = "Roberta";

  RobertaConfig() {
    vocab_size = 50265;
    pad_token_id = 1;
  }
  void check() const { EncoderConfig::check(model_type, true); }
  void complete_from(const gguf_file& file);
  void complete_in(gguf_keys& keys) const;
  TextModelOptions<> text_model() const {
    auto o = EncoderConfig::text_model("RobertaModel");
    o.embeddings.positions_skip_padding = true;
    return o;
  }
  MaskedLMHeadOptions masked_lm_head() const {
    auto o = EncoderConfig::masked_lm_head();
    o.activation = Activation::gelu;  // whatever that of the layers is
    return o;
  }

  static constexpr name_rule head_rules[] = {{"head.dense", "lm_head.dense"},
                                             {"head.norm", "lm_head.layer_norm"},
                                             {"head.bias", "lm_head.bias"},
                                             {"decoder", "lm_head.decoder"}};
  static constexpr auto rules = joined_rules(layer_rules, head_rules);
  static constexpr std::string_view ignored[] = {"*embeddings.position_ids"};
  static constexpr std::string_view may_be_left[] = {"*pooler.dense.*"};
  static constexpr name_rule gguf_head_names[] = {{"model.embed_positions", "position_embd", stored_as::after_padding},
                                                  {"classifier.dense", "cls"},
                                                  {"classifier.out_proj", "cls.output"}};
  static constexpr auto gguf_names = joined_rules(gguf_head_names, EncoderConfig::gguf_names);
  static constexpr name_tables names{.base_model_prefix = "roberta",
                                     .rules = rules,
                                     .gguf = gguf_names,
                                     .gguf_architecture = "bert",
                                     .gguf_class = "Model",
                                     .gguf_told = gguf_skips_padding,
                                     .ignored = ignored,
                                     .may_be_left = may_be_left};
};

#if HFT_DEFINES(MODELS)
// The table of a file has no rows of positions up to that of padding, which the model's has.
HFT_INLINE void RobertaConfig::complete_from(const gguf_file& file) {
  EncoderConfig::complete_from(file);
  if (!pad_token_id || *pad_token_id < 0)
    throw config_error(model_type, "tokenizer.ggml.padding_token_id", "an id", "none");
  if (*pad_token_id < vocab_size && f64(max_position_embeddings) < field_visitor::largest_extent)
    max_position_embeddings += *pad_token_id + 1;
  complete_labels_from(file, id2label.names);
}
HFT_INLINE void RobertaConfig::complete_in(gguf_keys& keys) const {
  EncoderConfig::complete_in(keys);
  const isize left_out = isize(pad_token_id.value_or(-1)) + 1;
  keys.number("context_length", std::max<isize>(max_position_embeddings - left_out, 1));
  if (!id2label.names.empty()) keys.texts("classifier.output_labels", id2label.names);
  keys.text("tokenizer.ggml.model", "gpt2");  // which tells it from BERT
}
#endif  // HFT_DEFINES

/// transformers.XLMRobertaConfig.
struct XLMRobertaConfig : RobertaConfig {
  void complete_in(gguf_keys& keys) const {
    RobertaConfig::complete_in(keys);
    keys.text("tokenizer.ggml.model", "t5");
  }
  static constexpr const char* model_type = "xlm-roberta";
  static constexpr const char* class_prefix = "XLMRoberta";
};
/// transformers.CamembertConfig.
struct CamembertConfig : RobertaConfig {
  static constexpr const char* model_type = "camembert";
  static constexpr const char* class_prefix = "Camembert";
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using RobertaModel = PreTrainedModel<RobertaConfig, PostNormEncoder<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using RobertaForMaskedLM = PreTrainedModel<RobertaConfig, ForMaskedLM<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using RobertaForCausalLM = PreTrainedModel<RobertaConfig, EncoderForCausalLM<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using RobertaForSequenceClassification =
    PreTrainedModel<RobertaConfig, ForSequenceClassification<PostNormEncoder<build<W, D, L, S>>, first_token_by_tanh>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using RobertaForTokenClassification =
    PreTrainedModel<RobertaConfig, ForTokenClassification<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using RobertaForQuestionAnswering =
    PreTrainedModel<RobertaConfig, ForQuestionAnswering<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using RobertaForMultipleChoice =
    PreTrainedModel<RobertaConfig, ForMultipleChoice<PostNormEncoder<build<W, D, L, S>>, pooled>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using XLMRobertaModel = PreTrainedModel<XLMRobertaConfig, PostNormEncoder<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using XLMRobertaForMaskedLM = PreTrainedModel<XLMRobertaConfig, ForMaskedLM<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using XLMRobertaForCausalLM = PreTrainedModel<XLMRobertaConfig, EncoderForCausalLM<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using XLMRobertaForSequenceClassification =
    PreTrainedModel<XLMRobertaConfig,
                    ForSequenceClassification<PostNormEncoder<build<W, D, L, S>>, first_token_by_tanh>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using XLMRobertaForTokenClassification =
    PreTrainedModel<XLMRobertaConfig, ForTokenClassification<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using XLMRobertaForQuestionAnswering =
    PreTrainedModel<XLMRobertaConfig, ForQuestionAnswering<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using XLMRobertaForMultipleChoice =
    PreTrainedModel<XLMRobertaConfig, ForMultipleChoice<PostNormEncoder<build<W, D, L, S>>, pooled>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using CamembertModel = PreTrainedModel<CamembertConfig, PostNormEncoder<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using CamembertForMaskedLM = PreTrainedModel<CamembertConfig, ForMaskedLM<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using CamembertForCausalLM = PreTrainedModel<CamembertConfig, EncoderForCausalLM<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using CamembertForSequenceClassification =
    PreTrainedModel<CamembertConfig,
                    ForSequenceClassification<PostNormEncoder<build<W, D, L, S>>, first_token_by_tanh>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using CamembertForTokenClassification =
    PreTrainedModel<CamembertConfig, ForTokenClassification<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using CamembertForQuestionAnswering =
    PreTrainedModel<CamembertConfig, ForQuestionAnswering<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using CamembertForMultipleChoice =
    PreTrainedModel<CamembertConfig, ForMultipleChoice<PostNormEncoder<build<W, D, L, S>>, pooled>>;

struct roberta : architecture<RobertaConfig, RobertaModel, RobertaForMaskedLM, RobertaForCausalLM,
                              RobertaForSequenceClassification, RobertaForTokenClassification,
                              RobertaForQuestionAnswering, RobertaForMultipleChoice> {};
struct xlm_roberta : architecture<XLMRobertaConfig, XLMRobertaModel, XLMRobertaForMaskedLM, XLMRobertaForCausalLM,
                                  XLMRobertaForSequenceClassification, XLMRobertaForTokenClassification,
                                  XLMRobertaForQuestionAnswering, XLMRobertaForMultipleChoice> {};
struct camembert : architecture<CamembertConfig, CamembertModel, CamembertForMaskedLM, CamembertForCausalLM,
                                CamembertForSequenceClassification, CamembertForTokenClassification,
                                CamembertForQuestionAnswering, CamembertForMultipleChoice> {};

}  // namespace hft
