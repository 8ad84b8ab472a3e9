// Evaluation on several datasets: the metrics of each under its name, and the best model by one of them.
#include <hft/train/evaluation.hpp>

#include "failure.hpp"
#include "trainer_testing.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(evaluation)

using Llama = LlamaForCausalLM<f32, autodiff<cpu>>;

namespace {

Llama load() { return Llama::load(checkpoint::open(data("models/llama/tied"))); }

TrainerOptions with(EvalDatasets eval) {
  TrainerOptions o;
  o.train_dataset = number_rows(16);
  o.eval_dataset = std::move(eval);
  o.data_collator = DataCollatorForLanguageModeling{tokens(), false};
  return o;
}

}  // namespace

BOOST_AUTO_TEST_CASE(several_datasets_have_their_names_in_the_metrics) {
  const workspace folder;
  const Dataset news = number_rows(9, 2), books = number_rows(5, 3);
  auto model = load();
  auto options = with({{"news", news}, {"books", books}});
  options.compute_metrics = [](const EvalPrediction& p) { return json{{"rows", p.label_ids.shape[0]}}; };
  Trainer trainer(model, arguments(folder / "out", {}), std::move(options));
  const json all = trainer.evaluate();
  BOOST_TEST(all["eval_news_loss"] == trainer.evaluate(news)["eval_loss"]);
  BOOST_TEST(all["eval_books_loss"] == trainer.evaluate(books)["eval_loss"]);
  BOOST_TEST(all["eval_news_loss"] != all["eval_books_loss"]);
  BOOST_TEST(all["eval_news_rows"] == 9);
  BOOST_TEST(all["eval_books_rows"] == 5);
  BOOST_TEST(all.contains("eval_books_runtime"));
  BOOST_TEST(!all.contains("eval_loss"));
  // Each is logged by itself, as Transformers does.
  const auto& log = trainer.state().log_history;
  BOOST_TEST_REQUIRE(log.size() == 4);
  BOOST_TEST((log[0].contains("eval_news_loss") && !log[0].contains("eval_books_loss")));
  BOOST_TEST(log[1].contains("eval_books_loss"));
  BOOST_TEST(trainer.evaluate({{"a", books}}, "last")["last_a_loss"] == all["eval_books_loss"]);
}

BOOST_AUTO_TEST_CASE(one_of_them_may_say_which_model_is_the_best) {
  const workspace folder;
  const auto args = [&](const char* metric) {
    return arguments(folder / "out",
                     {"--max_steps", "6", "--eval_strategy", "steps", "--eval_steps", "2", "--save_steps", "2",
                      "--load_best_model_at_end", "--metric_for_best_model", metric, "--learning_rate", "1e-2"});
  };
  const auto eval = [] { return with({{"a", number_rows(4, 2)}, {"b", number_rows(4, 3)}}); };
  auto model = load();
  Trainer trainer(model, args("b_loss"), eval());
  trainer.train();
  f64 least = 1e9;
  for (const json& entry : trainer.state().log_history)
    if (const json* loss = find_member(entry, "eval_b_loss")) least = std::min(least, loss->get<f64>());
  BOOST_TEST(trainer.state().best_metric.value() == least);
  BOOST_TEST(std::abs(trainer.evaluate()["eval_b_loss"].get<f64>() - least) < 1e-6);
  // There is no eval_loss to go by.
  const auto message = failure([&] { Trainer(model, args("loss"), eval()).train(); });
  BOOST_TEST(has(message, "eval_a_loss"), message);
}

BOOST_AUTO_TEST_CASE(names_are_distinct) {
  const Dataset rows = number_rows(2);
  BOOST_CHECK_THROW((EvalDatasets{{"a", rows}, {"a", rows}}), value_error);
  BOOST_CHECK_THROW((EvalDatasets{{"", rows}, {"a", rows}}), value_error);
  BOOST_TEST(!EvalDatasets());
  BOOST_TEST(!EvalDatasets(Dataset()));
  BOOST_TEST(!EvalDatasets(rows).has_names());
}

BOOST_AUTO_TEST_SUITE_END()
