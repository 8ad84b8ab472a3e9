// The losses and gradients of the heads of BERT and its like against PyTorch.
#include <boost/test/unit_test.hpp>

#include <hft/models/bert.hpp>
#include <hft/models/distilbert.hpp>
#include <hft/models/roberta.hpp>

#include "train/gradients.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(gradients_bert)

BOOST_AUTO_TEST_CASE(masked_language_models_match_pytorch) {
  for (const char* name : {"bert_masked_lm", "bert_masked_lm_untied"})
    check_case<BertForMaskedLM<f32, autodiff<cpu>>>(name);
}

BOOST_AUTO_TEST_CASE(sequence_classifiers_match_pytorch_for_every_problem_type) {
  for (const char* name : {"bert_sequence", "bert_regression", "bert_multi_label"})
    check_case<BertForSequenceClassification<f32, autodiff<cpu>>>(name);
}

BOOST_AUTO_TEST_CASE(token_classifiers_match_pytorch) {
  check_case<BertForTokenClassification<f32, autodiff<cpu>>>("bert_token");
}

BOOST_AUTO_TEST_CASE(spans_and_choices_match_pytorch) {
  check_case<BertForQuestionAnswering<f32, autodiff<cpu>>>("bert_question");
  check_case<BertForMultipleChoice<f32, autodiff<cpu>>>("bert_choice");
}

BOOST_AUTO_TEST_CASE(bert_like_encoders_match_pytorch) {
  check_case<RobertaForSequenceClassification<f32, autodiff<cpu>>>("roberta_sequence");
  check_case<RobertaForMaskedLM<f32, autodiff<cpu>>>("roberta_masked_lm");
  check_case<DistilBertForSequenceClassification<f32, autodiff<cpu>>>("distilbert_sequence");
  check_case<DistilBertForMaskedLM<f32, autodiff<cpu>>>("distilbert_masked_lm");
}

BOOST_AUTO_TEST_CASE(classifiers_drop_in_training) {
  using M = BertForSequenceClassification<f32, autodiff<cpu>>;
  const gradient_case c("bert_sequence");
  const auto model = c.model<M>();
  auto args = c.args<M>();
  const auto loss = [&] { return model(c.ids("input_ids"), args).loss.value().data()[0]; };
  const auto evaluated = loss();
  args.training = true;
  const auto trained = loss();
  BOOST_TEST(trained != evaluated);
  BOOST_TEST(trained == loss());
}

BOOST_AUTO_TEST_SUITE_END()
