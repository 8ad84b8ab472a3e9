// BERT's models against Transformers.
#include <boost/test/unit_test.hpp>

#include <hft/models/bert.hpp>

#include "golden.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(bert)

namespace {

template <class Model>
void check_logits(const std::string& architecture) {
  for (const auto& folder : cases("bert", architecture)) {
    BOOST_TEST_CONTEXT(folder.filename().string()) {
      const auto model = Model::from_pretrained(folder.string());
      const golden g(folder / "golden.safetensors");
      for (const auto& pass : g.passes("logits")) {
        const auto args = g.args(pass);
        check_close(model(g.ids(pass + ".input_ids"), args).logits, g.at(pass + ".logits"), args.attention_mask);
      }
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
  check_logits<BertForMaskedLM<f32>>("BertForMaskedLM");
  check_logits<BertForSequenceClassification<f32>>("BertForSequenceClassification");
  check_logits<BertForTokenClassification<f32>>("BertForTokenClassification");
}

BOOST_AUTO_TEST_SUITE_END()
