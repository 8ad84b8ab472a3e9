// What a Trainer does where it is not told: the collator, the tokenizer beside the model, labels that are texts.
#include <hft/models/bert.hpp>
#include <hft/tokenizers/pretrained.hpp>

#include "failure.hpp"
#include "log_of.hpp"
#include "trainer_testing.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(trainer_defaults)

using Classifier = BertForSequenceClassification<f32, autodiff<cpu>>;

namespace {

Classifier classifier(std::vector<std::string> names = {}) {
  LoadOptions options;
  options.id2label = std::move(names);
  options.ignore_mismatched_sizes = true;
  return Classifier::from_pretrained(data("models/bert/sequence_classification").string(), options);
}

// Rows of different lengths, with labels in turn.
Dataset labelled(const std::vector<json>& labels, const char* column = "label") {
  std::vector<json> rows;
  for (std::size_t i = 0; i < 6; ++i) {
    json row = json::object();
    row["input_ids"] = std::vector<i64>(3 + i % 2, i64(7 + i));
    row[column] = labels[i % labels.size()];
    rows.push_back(std::move(row));
  }
  return Dataset::from_rows(std::move(rows));
}

const PreTrainedTokenizerFast& toy_tokenizer() {
  static const auto t = AutoTokenizer::from_pretrained(data("../../examples/toy_llama/model.q8_0.gguf"));
  return t;
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_tokenizer_pads_and_is_saved_and_without_one_rows_are_stacked) {
  const workspace folder;
  auto model = classifier();
  auto args = arguments(folder / "out", {"--max_steps", "2", "--save_strategy", "no"});
  const auto rows = labelled({0, 1, 2});
  Trainer padded(model, args, {.train_dataset = rows, .processing_class = toy_tokenizer()});
  padded.train();
  padded.save_model();
  BOOST_TEST(AutoTokenizer::from_pretrained(folder / "out").encode("a cat") == toy_tokenizer().encode("a cat"));

  Trainer stacked(model, args, {.train_dataset = rows.select({0, 2, 4})});
  stacked.train();
  Trainer ragged(model, args, {.train_dataset = rows});
  BOOST_CHECK_THROW(ragged.train(), error);  // rows of different lengths do not stack
}

BOOST_AUTO_TEST_CASE(labels_that_are_texts_are_the_config_s_classes) {
  const workspace folder;
  auto model = classifier({"no", "maybe", "yes"});
  const auto args = arguments(folder / "out", {"--max_steps", "3", "--save_strategy", "no"});
  const auto run = [&](const Dataset& rows) {
    return Trainer(model, args, {.train_dataset = rows, .processing_class = toy_tokenizer()}).train().training_loss;
  };
  ::test::log_of log;
  const f64 of_texts = run(labelled({"yes", "no"}, "labels"));
  BOOST_TEST_REQUIRE(log.messages.size() == 1u);
  BOOST_TEST(log.messages[0] ==
             "[Trainer] the labels are texts; the config's label2id says: no = 0, maybe = 1, yes = 2");
  model = classifier({"no", "maybe", "yes"});
  BOOST_TEST(run(labelled({2, 0}, "labels")) == of_texts);
  BOOST_TEST(log.messages.size() == 1u);
  BOOST_TEST(has(failure([&] { run(labelled({"yes", "never"})); }), "expected the config's labels (no = 0, maybe = 1"));
}

BOOST_AUTO_TEST_CASE(classes_without_names_are_named_after_them) {
  const workspace folder;
  auto model = classifier({"LABEL_0", "LABEL_1", "LABEL_2"});
  const auto args = arguments(folder / "out", {"--max_steps", "1", "--save_strategy", "no"});
  ::test::log_of log;
  const auto rows = labelled({"good", "bad", "fair"});
  Trainer trainer(model, args, {.train_dataset = rows, .eval_dataset = rows, .processing_class = toy_tokenizer()});
  BOOST_TEST(log.has("the labels are texts, which the model's classes are named after: bad = 0, fair = 1, good = 2"));
  trainer.train();
  BOOST_TEST(trainer.evaluate().contains("eval_loss"));
  trainer.save_model();
  BOOST_TEST(read_config<BertConfig>(checkpoint::open(folder / "out")).id2label.names ==
                 (std::vector<std::string>{"bad", "fair", "good"}),
             boost::test_tools::per_element());

  auto two = classifier({"LABEL_0", "LABEL_1"});
  BOOST_TEST(has(failure([&] { Trainer(two, args, {.train_dataset = rows}); }), "3 texts: bad, fair, good"));
}

BOOST_AUTO_TEST_CASE(labels_of_tokens_may_be_texts) {
  const workspace folder;
  const auto made = [&](std::vector<std::string> names) {
    LoadOptions options;
    options.id2label = std::move(names);
    options.ignore_mismatched_sizes = true;
    return BertForTokenClassification<f32, autodiff<cpu>>::from_pretrained(
        data("models/bert/token_classification").string(), options);
  };
  const auto args = arguments(folder / "out", {"--max_steps", "2", "--save_strategy", "no"});
  const auto rows = [](const json& first, const json& second) {
    std::vector<json> out;
    for (const json& labels : {first, second})
      out.push_back({{"input_ids", {7, 8, 9}}, {"labels", {-100, labels[0], labels[1]}}});
    return Dataset::from_rows(std::move(out));
  };
  auto model = made({"O", "B-PER", "I-PER"});
  const auto run = [&](const Dataset& data) {
    return Trainer(model, args, {.train_dataset = data}).train().training_loss;
  };
  ::test::log_of log;
  const f64 of_texts = run(rows({"B-PER", "I-PER"}, {"O", "O"}));
  BOOST_TEST(log.has("the labels are texts; the config's label2id says: O = 0, B-PER = 1, I-PER = 2"));
  model = made({"O", "B-PER", "I-PER"});
  BOOST_TEST(run(rows({1, 2}, {0, 0})) == of_texts);

  auto unnamed = made({"LABEL_0", "LABEL_1", "LABEL_2"});
  Trainer(unnamed, args, {.train_dataset = rows({"B-PER", "I-PER"}, {"O", "O"})});
  BOOST_TEST(log.has("the model's classes are named after: B-PER = 0, I-PER = 1, O = 2"));
  BOOST_TEST(has(failure([&] { run(rows({"B-LOC", "O"}, {"O", "O"})); }), "2 texts: B-LOC, O"));
}

BOOST_AUTO_TEST_SUITE_END()
