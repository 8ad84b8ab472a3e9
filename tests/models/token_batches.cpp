// What a tokenizer returns as a model's inputs.
#include <boost/test/unit_test.hpp>

#include <hft/models/any_model.hpp>
#include <hft/models/bert.hpp>
#include <hft/models/llama.hpp>
#include <hft/models/t5.hpp>

#include "golden.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(token_batches)

namespace {

// As BatchEncoding is, without a tokenizer.
struct rows_of_ids {
  std::vector<std::vector<i64>> input_ids, attention_mask, token_type_ids;
};
const rows_of_ids batch{{{5, 7, 11, 3}, {9, 8, 0, 0}}, {{1, 1, 1, 1}, {1, 1, 0, 0}}, {{0, 0, 1, 1}, {0, 1, 0, 0}}};

template <class T, std::size_t R>
bool same(const Tensor<T, R>& a, const Tensor<T, R>& b) {
  const auto x = a.dense(), y = b.dense();
  return x.shape() == y.shape() && std::equal(x.data(), x.data() + x.size(), y.data());
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_model_takes_of_a_batch_what_it_takes) {
  const auto bert =
      BertForSequenceClassification<f32>::from_pretrained(data("models/bert/sequence_classification").string());
  const auto ids = ids_tensor(batch.input_ids), mask = ids_tensor(batch.attention_mask),
             types = ids_tensor(batch.token_type_ids);
  const auto expected = bert({.input_ids = ids, .attention_mask = mask, .token_type_ids = types}).logits;
  BOOST_TEST(same(bert(batch).logits, expected));
  BOOST_TEST(same(bert(ids, {.attention_mask = mask, .token_type_ids = types}).logits, expected));
  BOOST_TEST(!same(bert(ids).logits, expected));
  BOOST_TEST(bert(batch, {.output_hidden_states = true}).hidden_states.size() > 1u);

  const auto t5 = T5EncoderModel<f32>::from_pretrained(data("models/t5/encoder").string());  // which has no types
  BOOST_TEST(same(t5(batch).last_hidden_state, t5({.input_ids = ids, .attention_mask = mask}).last_hidden_state));

  rows_of_ids ragged = batch;
  ragged.input_ids[1].pop_back();
  BOOST_CHECK_THROW(bert(ragged), shape_error);
}

BOOST_AUTO_TEST_CASE(so_does_one_of_any_class) {
  const auto ids = ids_tensor(batch.input_ids), mask = ids_tensor(batch.attention_mask),
             types = ids_tensor(batch.token_type_ids);
  auto bert = BertForSequenceClassification<f32>::from_pretrained(data("models/bert/sequence_classification").string());
  const auto expected = bert(batch).logits;
  const AnyModel<> any(std::move(bert));
  const auto outputs = any.forward(batch);
  BOOST_TEST_REQUIRE(outputs.at(0).name == "logits");
  BOOST_TEST_REQUIRE(outputs[0].bytes.size() == std::size_t(expected.size()) * sizeof(f32));
  BOOST_TEST(std::memcmp(outputs[0].bytes.data(), expected.dense().data(), outputs[0].bytes.size()) == 0);

  auto llama = LlamaForCausalLM<f32>::from_pretrained(data("models/llama/base").string());
  const auto logits = llama(ids, {.attention_mask = mask}).logits;
  const AnyModel<> causal(std::move(llama));
  BOOST_TEST(same(causal(batch).logits, logits));
}

// What a model is called with beside braces: one template has to know them all.
BOOST_AUTO_TEST_CASE(nothing_else_is_taken) {
  using model = BertModel<f32>;
  static_assert(std::is_invocable_v<model, TextInputs>);
  static_assert(std::is_invocable_v<model, Tensor<i64, 2>, ForwardArgs<f32>>);
  static_assert(std::is_invocable_v<model, rows_of_ids>);
  // Of the rest a sentence says why not (tests/compile_fail): there is an operator, whose assertions fail.
  static_assert(!detail::ModelInput<const char*, model::inputs>);
  static_assert(!detail::ModelInput<Tensor<f32, 2>, model::inputs>);
  static_assert(!detail::ModelInput<rows_of_ids, BertForMultipleChoice<f32>::inputs>);
}

BOOST_AUTO_TEST_SUITE_END()
