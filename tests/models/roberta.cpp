// RoBERTa, XLM-RoBERTa and CamemBERT against Transformers.
#include <boost/test/unit_test.hpp>

#include <hft/models/bert.hpp>
#include <hft/models/roberta.hpp>

#include "golden.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(roberta)

namespace {
template <class Model>
void check_cases(const std::string& arch, const std::string& result = "logits") {
  for (const auto& folder : cases(arch, Model::architecture())) {
    BOOST_TEST_CONTEXT(folder.string()) {
      check_passes(Model::from_pretrained(folder.string()), golden(folder / "golden.safetensors"), result);
    }
  }
}
}  // namespace

BOOST_AUTO_TEST_CASE(every_head_gives_transformers_outputs) {
  check_cases<RobertaModel<f32>>("roberta", "last_hidden_state");
  check_cases<RobertaForMaskedLM<f32>>("roberta");
  check_cases<RobertaForSequenceClassification<f32>>("roberta");
  check_cases<RobertaForTokenClassification<f32>>("roberta");
  check_cases<RobertaForQuestionAnswering<f32>>("roberta", "start_logits");
  check_cases<RobertaForMultipleChoice<f32>>("roberta");
}

BOOST_AUTO_TEST_CASE(the_same_with_other_vocabularies) {
  check_cases<XLMRobertaModel<f32>>("xlm-roberta", "last_hidden_state");
  check_cases<XLMRobertaForSequenceClassification<f32>>("xlm-roberta");
  check_cases<CamembertForMaskedLM<f32>>("camembert");
  check_cases<CamembertForTokenClassification<f32>>("camembert");
}

// Nothing is instantiated for them.
static_assert(std::is_same_v<RobertaModel<f32>::body_type, BertModel<f32>::body_type>);
static_assert(std::is_same_v<CamembertForMaskedLM<f32>::body_type, BertForMaskedLM<f32>::body_type>);

BOOST_AUTO_TEST_CASE(positions_begin_behind_the_padding) {
  const auto ids = Tensor<i64, 2>::from({1, 1, 7, 8, 1, 9}, {2, 3});
  const auto positions = positions_past_padding(ids, 1);
  const std::vector<i64> got(positions.data(), positions.data() + 6);
  BOOST_TEST((got == std::vector<i64>{1, 1, 2, 2, 1, 3}));
}

BOOST_AUTO_TEST_SUITE_END()
