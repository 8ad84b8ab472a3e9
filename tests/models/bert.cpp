// BERT's models against Transformers.
#include <boost/test/unit_test.hpp>

#include <hft/models/bert.hpp>

#include "golden.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(bert)

namespace {

template <class Model>
void check_cases(const std::string& result = "logits") {
  for (const auto& folder : cases("bert", Model::architecture())) {
    BOOST_TEST_CONTEXT(folder.filename().string()) {
      check_passes(Model::from_pretrained(folder.string()), golden(folder / "golden.safetensors"), result);
    }
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(base_model_gives_transformers_outputs) {
  for (const auto& folder : cases("bert", "BertModel")) {
    BOOST_TEST_CONTEXT(folder.filename().string()) {
      const auto model = BertModel<f32>::from_pretrained(folder.string());
      const golden g(folder / "golden.safetensors");
      for (const auto& pass : g.passes("last_hidden_state")) {
        const auto args = g.args(pass);
        const auto y = model(g.ids(pass + ".input_ids"), args);
        check_close(y.last_hidden_state, g.at(pass + ".last_hidden_state"), args.attention_mask);
        if (pass != "left_padded") check_close(y.pooler_output, g.at(pass + ".pooler_output"));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(heads_give_transformers_logits) {
  check_cases<BertForMaskedLM<f32>>();
  check_cases<BertForSequenceClassification<f32>>();
  check_cases<BertForTokenClassification<f32>>();
  check_cases<BertForQuestionAnswering<f32>>("start_logits");
  check_cases<BertForMultipleChoice<f32>>();
}

BOOST_AUTO_TEST_SUITE_END()
