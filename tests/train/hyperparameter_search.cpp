// Searches over training arguments.
#include <boost/test/unit_test.hpp>

#include <hft/train/hyperparameter_search.hpp>

using namespace hft;

BOOST_AUTO_TEST_SUITE(searches)

namespace {

// Best at a learning rate of 1e-3 with batches of 16.
json run(const TrainingArguments& a) {
  const f64 distance = std::abs(std::log10(a.learning_rate) + 3) + std::abs(f64(a.per_device_train_batch_size) - 16);
  return {{"eval_loss", distance}, {"eval_runtime", 5.0}, {"epoch", 3}};
}

}  // namespace

BOOST_AUTO_TEST_CASE(grid) {
  TrainingArguments args;
  args.output_dir = "out";
  std::vector<std::string> folders;
  const auto best = hyperparameter_search(
      args, grid_search({{"learning_rate", {1e-4, 1e-3, 1e-2}}, {"per_device_train_batch_size", {8, 16}}}),
      [&](const TrainingArguments& a) {
        folders.push_back(a.output_dir);
        return run(a);
      });
  BOOST_TEST(best.trials.size() == 6u);
  BOOST_TEST(best.run_id == "run-3");
  BOOST_TEST(best.objective == 0.0, boost::test_tools::tolerance(1e-12));
  BOOST_TEST(best.hyperparameters.dump() == R"({"per_device_train_batch_size": 16, "learning_rate": 0.001})");
  BOOST_TEST(folders[5] == "out/run-5");
}

BOOST_AUTO_TEST_CASE(random) {
  const std::vector<Hyperparameter> space{{"learning_rate", 1e-5, 1e-1, true}, {"per_device_train_batch_size", {16}}};
  const auto best = hyperparameter_search({}, random_search(space, 40, 7), run);
  BOOST_TEST(best.trials.size() == 40u);
  BOOST_TEST(best.objective < 0.5);
  const auto again = hyperparameter_search({}, random_search(space, 40, 7), run);
  BOOST_TEST(again.hyperparameters == best.hyperparameters);
  for (const auto& t : best.trials) {
    const f64 lr = t.hyperparameters["learning_rate"].get<f64>();
    BOOST_TEST((lr >= 1e-5 && lr <= 1e-1));
  }
  const auto worst = hyperparameter_search({}, random_search(space, 40, 7), run, {.maximize = true});
  BOOST_TEST(worst.objective > best.objective);
}

BOOST_AUTO_TEST_CASE(bad_input) {
  BOOST_CHECK_THROW(grid_search({{"learning_rate", 0.0, 1.0}}), value_error);
  BOOST_CHECK_THROW(random_search({{"learning_rate", 0.0, 1.0, true}}, 3), value_error);
  BOOST_CHECK_THROW(hyperparameter_search({}, random_search({{"none_such", {1}}}, 3), run), value_error);
  BOOST_CHECK_THROW(hyperparameter_search({}, random_search({}, 0), run), value_error);
  BOOST_TEST(default_compute_objective({{"eval_loss", 2.0}, {"eval_accuracy", 0.5}, {"eval_f1", 0.25}}) == 0.75);
}

BOOST_AUTO_TEST_SUITE_END()
