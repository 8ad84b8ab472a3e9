// Names of classes: of logits of any rank, of models with a type and without.
#include <boost/test/unit_test.hpp>

#include <hft/models/any_model.hpp>
#include <hft/models/bert.hpp>
#include <hft/models/labels.hpp>

#include "golden.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(labels)

namespace {

using names = std::vector<std::string>;

BertConfig config_with(names labels) {
  BertConfig c;
  c.id2label.names = std::move(labels);
  return c;
}

}  // namespace

BOOST_AUTO_TEST_CASE(of_each_row_and_of_each_token) {
  const auto config = config_with({"no", "maybe", "yes"});
  const auto rows = Tensor<f32, 2>::from({0, 1, 2, 5, 4, 3}, {2, 3});
  BOOST_TEST(labels_of(rows, config) == (names{"yes", "no"}), boost::test_tools::per_element());
  const auto tokens = Tensor<f32, 3>::from({0, 1, 2, 5, 4, 3, 0, 1, 0, 0, 0, 1}, {2, 2, 3});
  BOOST_TEST(labels_of(tokens, config) == (names{"yes", "no", "maybe", "yes"}), boost::test_tools::per_element());
  BOOST_TEST(labels_of(tokens.slice(1, 1, 2), config) == (names{"no", "yes"}), boost::test_tools::per_element());
  BOOST_TEST(label_of(1, config) == "maybe");
  BOOST_CHECK_THROW(label_of(3, config), value_error);
  BOOST_CHECK_THROW(labels_of(Tensor<f32, 2>::zeros({1, 4}), config), value_error);
  BOOST_TEST(label_of(1, config_with({})) == "LABEL_1");  // as Transformers calls the two that there are by default
}

BOOST_AUTO_TEST_CASE(of_a_model_of_any_class) {
  LoadOptions options;
  options.id2label = {"no", "maybe", "yes"};
  auto bert = BertForSequenceClassification<f32>::from_pretrained(data("models/bert/sequence_classification").string(),
                                                                  options);
  const auto ids = Tensor<i64, 2>::from({5, 7, 11, 3, 9, 8, 1, 2}, {2, 4});
  const auto expected = labels_of(bert(ids).logits, bert.config());
  const AnyModel<> any(std::move(bert));
  BOOST_TEST(labels_of(any.forward(ids), any.config()) == expected, boost::test_tools::per_element());
  BOOST_TEST(label_of(2, any.config()) == "yes");
  BOOST_CHECK_THROW(labels_of(std::vector<stored_tensor>(), any.config()), value_error);
}

BOOST_AUTO_TEST_SUITE_END()
