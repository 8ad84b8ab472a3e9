// Ten steps of Trainer follow those of Transformers': losses, gradient norms, learning rates, evaluations.
#include <hft/models/bert.hpp>

#include "trainer_testing.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(trainer_losses)

namespace {

const json& transformers() {
  static const json g = read_json(data("train/losses.json"));
  return g;
}

template <class Model>
void follow(const std::string& name, Dataset rows, DataCollator collator) {
  const workspace folder;
  const json& expected = transformers()["cases"][name];
  auto model = load_without_dropout<Model>(name.substr(0, name.find(',')));
  TrainingArguments args;
  parse_json_into(expected["arguments"], name, args);
  args.output_dir = folder / "out";
  std::vector<isize> first(10);
  for (isize i = 0; i < 10; ++i) first[std::size_t(i)] = i;
  Trainer trainer(model, args, {.train_dataset = rows, .eval_dataset = rows.select(first), .data_collator = collator});
  trainer.train();
  check_log(name, trainer.state().log_history, expected["log_history"]);
}

}  // namespace

BOOST_AUTO_TEST_CASE(llama) {
  const auto rows = Dataset::from_rows(transformers()["rows"].get<std::vector<json>>());
  isize followed = 0;
  for (const auto& [name, unused] : transformers()["cases"].items())
    if (name.starts_with("llama/")) {
      follow<LlamaForCausalLM<f32, autodiff<cpu>>>(name, rows, DataCollatorForLanguageModeling{tokens(), false});
      ++followed;
    }
  BOOST_TEST(followed == 9);
}

BOOST_AUTO_TEST_CASE(bert_classifier) {
  const auto rows = Dataset::from_rows(transformers()["rows"].get<std::vector<json>>()).map([](json row) {
    i64 sum = 0;
    for (const json& id : row["input_ids"]) sum += id.get<i64>();
    row["label"] = sum % 3;
    return row;
  });
  follow<BertForSequenceClassification<f32, autodiff<cpu>>>("bert/sequence_classification", rows,
                                                            DataCollatorWithPadding{tokens()});
}

BOOST_AUTO_TEST_SUITE_END()
