// Batches and datasets without a label that counts: the Trainer goes on as Transformers' does, and its files are JSON
// to every reader.
#include <hft/models/bert.hpp>

#include "trainer_testing.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(unlabelled)

namespace {

using Llama = LlamaForCausalLM<f32, autodiff<cpu>>;

const json& transformers() {
  static const json g = read_json(data("train/unlabelled.json"));
  return g;
}

Dataset rows(const char* name) { return Dataset::from_rows(transformers()[name].get<std::vector<json>>()); }

Dataset all_but_first(const Dataset& all) {
  std::vector<isize> rest;
  for (isize i = 1; i < all.size(); ++i) rest.push_back(i);
  return all.select(std::move(rest));
}

template <class Model>
void follow(const std::string& name, const Dataset& all, DataCollator collator, bool evaluates_none) {
  const workspace folder;
  const json& expected = transformers()["cases"][name];
  auto model = load_without_dropout<Model>(name.substr(0, name.find(',')));
  TrainingArguments args;
  parse_json_into(expected["arguments"], name, args);
  args.output_dir = folder / "out";
  Trainer trainer(model, args,
                  {.train_dataset = all, .eval_dataset = all_but_first(all), .data_collator = std::move(collator)});
  trainer.train();
  if (evaluates_none) trainer.evaluate(rows("none"));
  check_log(name, trainer.state().log_history, expected["log_history"]);
}

// What a strict reader says of a file: hft's own, which knows NaN, after a look for it.
json strictly_read(const std::string& path) {
  const std::string text = read_text(path);
  for (const char* word : {"NaN", "Infinity"})
    BOOST_TEST(text.find(word) == text.npos, path << " has a number that is none: " << word);
  return parse_json(text, path);
}

}  // namespace

BOOST_AUTO_TEST_CASE(steps_and_evaluations_are_those_of_transformers) {
  isize followed = 0;
  for (const auto& [name, unused] : transformers()["cases"].items()) {
    if (name.starts_with("llama/"))
      follow<Llama>(name, rows("rows"), DataCollatorForTokenClassification{tokens()}, true);
    else
      follow<BertForSequenceClassification<f32, autodiff<cpu>>>(name, rows("classes"),
                                                                DataCollatorWithPadding{tokens()}, false);
    ++followed;
  }
  BOOST_TEST(followed == 8);
}

BOOST_AUTO_TEST_CASE(without_the_filter_a_window_is_nan_and_files_have_null) {
  const workspace folder;
  auto model = load_without_dropout<Llama>("llama/tied");
  auto args = arguments(folder / "out", {"--logging_nan_inf_filter", "false", "--logging_steps", "1", "--max_steps",
                                         "4", "--per_device_train_batch_size", "2", "--train_sampling_strategy",
                                         "sequential", "--save_steps", "2", "--report_to", "all"});
  const auto options = [] {
    TrainerOptions o;
    o.train_dataset = rows("rows");
    o.eval_dataset = rows("none");
    o.data_collator = DataCollatorForTokenClassification{tokens()};
    return o;
  };
  const auto loss = [](const Trainer& t, std::size_t i) { return t.state().log_history.at(i)["loss"].get<f64>(); };
  Trainer trainer(model, args, options());
  trainer.train();
  BOOST_TEST(std::isfinite(loss(trainer, 0)));
  BOOST_TEST(std::isnan(loss(trainer, 1)));  // the second step has no label; later ones have their own loss
  BOOST_TEST(std::isfinite(loss(trainer, 2)));
  BOOST_TEST(std::isnan(trainer.evaluate()["eval_loss"].get<f64>()));
  trainer.save_state();
  isize files = 0;
  for (const char* file : {"out/trainer_state.json", "out/checkpoint-2/trainer_state.json",
                           "out/checkpoint-2/scheduler.json", "out/checkpoint-4/training_args.json"})
    files += strictly_read(folder / file).is_object();
  BOOST_TEST(files == 4);
  const json state = strictly_read(folder / "out/trainer_state.json");
  BOOST_TEST(state["log_history"][1]["loss"].is_null());
  BOOST_TEST(state["log_history"].get<std::vector<json>>().back()["eval_loss"].is_null());

  // A checkpoint that holds null resumes to the same bits.
  auto again = load_without_dropout<Llama>("llama/tied");
  args.resume_from_checkpoint = folder / "out/checkpoint-2";
  args.output_dir = folder / "again";
  Trainer resumed(again, args, options());
  resumed.train();
  BOOST_TEST(same_bits(weight_values(model), weight_values(again)));
  BOOST_TEST(std::isnan(resumed.state().log_history.back()["train_loss"].get<f64>()));
}

BOOST_AUTO_TEST_CASE(nothing_is_never_the_best) {
  const workspace folder;
  auto model = load_without_dropout<Llama>("llama/tied");
  TrainerOptions o;
  o.train_dataset = rows("rows");
  o.eval_dataset = rows("none");
  o.data_collator = DataCollatorForTokenClassification{tokens()};
  Trainer trainer(model,
                  arguments(folder / "out", {"--max_steps", "2", "--eval_strategy", "steps", "--eval_steps", "1",
                                             "--save_steps", "1", "--load_best_model_at_end"}),
                  std::move(o));
  trainer.train();
  BOOST_TEST(!trainer.state().best_metric);
  BOOST_TEST(!trainer.state().best_model_checkpoint);

  // Transformers takes the first metric for the best, even where it is none.
  const auto state = TrainerState::from_json({{"best_metric", std::nan("")}, {"global_step", 3}}, "trainer_state.json");
  BOOST_TEST(!state.best_metric);
  BOOST_TEST(state.global_step == 3);
}

BOOST_AUTO_TEST_SUITE_END()
