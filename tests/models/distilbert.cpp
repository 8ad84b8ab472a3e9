// DistilBERT against Transformers.
#include <boost/test/unit_test.hpp>

#include <hft/models/bert.hpp>
#include <hft/models/distilbert.hpp>

#include "golden.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(distilbert)

namespace {
template <class Model>
void check_cases(const std::string& result = "logits") {
  for (const auto& folder : cases("distilbert", Model::architecture())) {
    BOOST_TEST_CONTEXT(folder.string()) {
      check_passes(Model::from_pretrained(folder.string()), golden(folder / "golden.safetensors"), result);
    }
  }
}
}  // namespace

BOOST_AUTO_TEST_CASE(every_head_gives_transformers_outputs) {
  check_cases<DistilBertModel<f32>>("last_hidden_state");
  check_cases<DistilBertForMaskedLM<f32>>();
  check_cases<DistilBertForSequenceClassification<f32>>();
  check_cases<DistilBertForTokenClassification<f32>>();
  check_cases<DistilBertForQuestionAnswering<f32>>("start_logits");
  check_cases<DistilBertForMultipleChoice<f32>>();
}

static_assert(std::is_same_v<DistilBertModel<f32>::body_type, BertModel<f32>::body_type>);

BOOST_AUTO_TEST_SUITE_END()
