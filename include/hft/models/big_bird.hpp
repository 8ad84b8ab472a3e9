// BigBird: BERT in which blocks of tokens see their neighbours, the first and the last block and random ones. Zaheer et
// al. 2020, arXiv 2007.14062. transformers/models/big_bird/modeling_big_bird.py
#pragma once
#include <cmath>

#include <hft/models/bert.hpp>
#include <hft/models/heads/long_question_answering.hpp>

namespace hft {

/// transformers.BigBirdConfig; fields have its names and defaults. Random blocks are those of Transformers' evaluation,
/// in training, too: always the first.
struct BigBirdConfig : EncoderConfig {
  std::optional<i64> sep_token_id = 66;
  short_string attention_type = "block_sparse";
  bool use_bias = true, rescale_embeddings = false;
  isize block_size = 64, num_random_blocks = 3;

  static constexpr const char* model_type = "big_bird";
  static constexpr const char* class_prefix = "BigBird";

  BigBirdConfig() {
    vocab_size = 50358;
    hidden_act = "gelu_new";
    max_position_embeddings = 4096;
    bos_token_id = 1, eos_token_id = 2;
    use_cache = true, add_cross_attention = false;
  }
  void fields(field_visitor& v);
  void check() const;
  TextModelOptions<> text_model() const;
  ClassifierOptions classifier() const {
    auto o = EncoderConfig::classifier();
    o.activation = find_activation(hidden_act, model_type);
    return o;
  }
  QuestionHeadOptions question_head() const {
    return {.mlp = {hidden_size, intermediate_size, find_activation(hidden_act, model_type), true},
            .norm = {.size = hidden_size, .eps = layer_norm_eps},
            .sep_token_id = sep_token_id.value_or(-1),
            .dropout = hidden_dropout_prob};
  }
  /// All classes but one have the pooler.
  void adapt(std::string_view class_suffix, TextModelOptions<>& o) const {
    if (class_suffix != "ForQuestionAnswering") o.pooler = PoolerOptions{hidden_size};
  }

  static constexpr name_rule own_rules[] = {{"pooler.dense", "pooler"},
                                            {"qa.up_proj", "qa_classifier.intermediate.dense"},
                                            {"qa.down_proj", "qa_classifier.output.dense"},
                                            {"qa.norm", "qa_classifier.output.LayerNorm"},
                                            {"qa_outputs", "qa_classifier.qa_outputs"}};
  static constexpr auto rules = joined_rules(own_rules, layer_rules, BertConfig::head_rules);
  static constexpr name_tables names{.base_model_prefix = "bert",
                                     .rules = rules,
                                     .ignored = BertConfig::ignored,
                                     .may_be_left = BertConfig::may_be_left};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BigBirdModel = PreTrainedModel<BigBirdConfig, PostNormEncoder<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BigBirdForMaskedLM = PreTrainedModel<BigBirdConfig, ForMaskedLM<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BigBirdForSequenceClassification =
    PreTrainedModel<BigBirdConfig, ForSequenceClassification<PostNormEncoder<build<W, D, L, S>>, first_token_by_tanh>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BigBirdForTokenClassification =
    PreTrainedModel<BigBirdConfig, ForTokenClassification<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BigBirdForMultipleChoice =
    PreTrainedModel<BigBirdConfig, ForMultipleChoice<PostNormEncoder<build<W, D, L, S>>, pooled>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BigBirdForPreTraining = PreTrainedModel<BigBirdConfig, ForPreTraining<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BigBirdForCausalLM = PreTrainedModel<BigBirdConfig, EncoderForCausalLM<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BigBirdForQuestionAnswering =
    PreTrainedModel<BigBirdConfig, ForAnswersBehindQuestion<PostNormEncoder<build<W, D, L, S>>>>;

struct big_bird : architecture<BigBirdConfig, BigBirdModel, BigBirdForMaskedLM, BigBirdForSequenceClassification,
                               BigBirdForTokenClassification, BigBirdForMultipleChoice, BigBirdForPreTraining,
                               BigBirdForCausalLM, BigBirdForQuestionAnswering> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void BigBirdConfig::fields(field_visitor& v) {
  EncoderConfig::fields(v);
  v("sep_token_id", sep_token_id);
  v("attention_type", attention_type);
  v("use_bias", use_bias);
  v("rescale_embeddings", rescale_embeddings);
  v("block_size", block_size, v.extent);
  v("num_random_blocks", num_random_blocks, v.not_negative);
}

HFT_INLINE void BigBirdConfig::check() const {
  EncoderConfig::check(model_type, true);
  if (attention_type.view() != "block_sparse" && attention_type.view() != "original_full")
    throw config_error(model_type, "attention_type", "block_sparse or original_full",
                       detail::quote_text(attention_type));
  if (num_random_blocks > 4096)
    throw config_error(model_type, "num_random_blocks", "at most 4096", detail::joined(num_random_blocks));
}

HFT_INLINE TextModelOptions<> BigBirdConfig::text_model() const {
  auto o = EncoderConfig::text_model("BigBirdModel");
  if (rescale_embeddings) o.embeddings.scale = std::sqrt(f64(hidden_size));
  o.embeddings.dropped = dropout_of::sum;
  for (auto& layer : o.layers) layer.attention.bias = use_bias;
  if (attention_type.view() == "block_sparse") o.block_sparse = BlockSparseOptions{block_size, num_random_blocks};
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
