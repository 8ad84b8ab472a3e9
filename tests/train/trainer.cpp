// Trainer: accumulation, resuming to the bit, checkpoints, the best model, early stopping, metrics, bad input.
#include "failure.hpp"
#include "trainer_testing.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(trainer)

using Llama = LlamaForCausalLM<f32, autodiff<cpu>>;

namespace {

Llama load(const char* name = "llama/tied", f64 dropout = 0) {
  const auto source = checkpoint::open(data(detail::cat("models/", name)));
  auto config = read_config<LlamaConfig>(source);
  config.attention_dropout = dropout;
  Llama model(config);
  model.load_weights(source);
  return model;
}

DataCollator causal() { return DataCollatorForLanguageModeling{tokens(), false}; }

TrainerOptions with(Dataset train, Dataset eval = {}) {
  TrainerOptions o;
  o.train_dataset = std::move(train);
  o.eval_dataset = std::move(eval);
  o.data_collator = causal();
  return o;
}

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& e : std::filesystem::directory_iterator(folder)) names.push_back(e.path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

// Asks to stop after a step.
class stop_at final : public TrainerCallback {
 public:
  stop_at(isize step, std::stop_source& source) : step_(step), source_(source) {}
  void on_step_end(const TrainingArguments&, const TrainerState& state, TrainerControl&) override {
    if (state.global_step == step_) source_.request_stop();
  }

 private:
  isize step_;
  std::stop_source& source_;
};

}  // namespace

BOOST_AUTO_TEST_CASE(one_batch_of_eight_is_two_of_four) {
  const workspace folder;
  std::map<std::string, std::vector<f32>> result[2];
  f64 loss[2];
  for (const bool accumulates : {false, true}) {
    auto model = load();
    auto args = arguments(folder / "out", {"--max_steps", "5", "--save_strategy", "no", "--learning_rate", "1e-3",
                                           "--train_sampling_strategy", "sequential", "--optim", "sgd"});
    args.per_device_train_batch_size = accumulates ? 4 : 8;
    args.gradient_accumulation_steps = accumulates ? 2 : 1;
    Trainer trainer(model, args, with(number_rows(40)));
    loss[accumulates] = trainer.train().training_loss;
    result[accumulates] = weight_values(model);
  }
  BOOST_TEST(std::abs(loss[0] - loss[1]) < 1e-5 * loss[0]);
  for (const auto& [path, x] : result[0])
    for (std::size_t i = 0; i < x.size(); ++i) BOOST_TEST_REQUIRE(std::abs(x[i] - result[1][path][i]) < 1e-5, path);
}

BOOST_AUTO_TEST_CASE(a_run_that_is_stopped_and_resumed_gives_the_same_bits) {
  const workspace folder;
  const auto rows = number_rows(21);
  const auto args = [&](const char* out, const char* resume) {
    return arguments(folder / out, {"--per_device_train_batch_size",
                                    "2",
                                    "--gradient_accumulation_steps",
                                    "2",
                                    "--num_train_epochs",
                                    "3",
                                    "--save_strategy",
                                    "no",
                                    "--learning_rate",
                                    "1e-2",
                                    "--weight_decay",
                                    "0.1",
                                    "--lr_scheduler_type",
                                    "cosine",
                                    "--warmup_steps",
                                    "3",
                                    "--logging_steps",
                                    "4",
                                    "--dataloader_num_workers",
                                    "2",
                                    "--neftune_noise_alpha",
                                    "5",
                                    "--resume_from_checkpoint",
                                    resume});
  };
  auto whole = load("llama/tied", 0.2);
  Trainer reference(whole, args("whole", ""), with(rows));
  reference.train();
  BOOST_TEST(reference.state().global_step == 18);

  for (const isize at : {2, 6, 9}) {  // within an epoch, at its end, within the next
    const auto out = detail::cat("stopped", at);
    {
      auto model = load("llama/tied", 0.2);
      std::stop_source source;
      Trainer first(model, args(out.c_str(), ""), with(rows));
      first.add_callback(std::make_shared<stop_at>(at, source));
      const auto output = first.train(source.get_token());
      BOOST_TEST(output.interrupted);
      BOOST_TEST(output.global_step == at);
    }
    auto model = load("llama/gqa_odd");  // of another shape: what is compared comes from the checkpoint
    BOOST_CHECK_THROW(Trainer(model, args(out.c_str(), "true"), with(rows)).train(), weight_error);
    auto again = load("llama/tied", 0.2);
    for_each_parameter(again,
                       [](const std::string&, parameter& p) { std::memset(p.data(), 0, std::size_t(p.bytes())); });
    Trainer second(again, args(out.c_str(), "true"), with(rows));
    BOOST_TEST(!second.train().interrupted);
    BOOST_TEST(same_bits(weight_values(again), weight_values(whole)), "stopped at " << at);
    const auto &a = second.state().log_history, &b = reference.state().log_history;
    BOOST_TEST_REQUIRE(a.size() == b.size());
    for (std::size_t i = 0; i + 1 < a.size(); ++i) BOOST_TEST(a[i] == b[i], a[i] << " " << b[i]);
  }
}

BOOST_AUTO_TEST_CASE(activation_checkpointing_changes_nothing_and_neftune_something) {
  const workspace folder;
  const auto run = [&](std::vector<std::string> more) {
    auto model = load("llama/tied", 0.2);
    auto args = arguments(folder / "out", {"--max_steps", "3", "--save_strategy", "no", "--learning_rate", "1e-3"});
    parse_args_into(more, args);
    Trainer(model, args, with(number_rows(24))).train();
    return weight_values(model);
  };
  const auto plain = run({});
  BOOST_TEST(same_bits(run({"--gradient_checkpointing", "true"}), plain));
  BOOST_TEST(!same_bits(run({"--neftune_noise_alpha", "5"}), plain));
}

BOOST_AUTO_TEST_CASE(checkpoints_come_and_go) {
  const workspace folder;
  auto model = load();
  auto args = arguments(folder / "out", {"--max_steps", "9", "--save_steps", "2", "--save_total_limit", "2",
                                         "--report_to", "csv", "jsonl", "tensorboard"});
  args.logging_steps = 3;
  Trainer trainer(model, args, with(number_rows(16)));
  trainer.train();
  trainer.save_model();
  trainer.save_state();
  BOOST_TEST(names_in(folder / "out") ==
                 (std::vector<std::string>{"checkpoint-8", "checkpoint-9", "config.json", "generation_config.json",
                                           "log.csv", "log.jsonl", "model.safetensors", "runs", "trainer_state.json"}),
             boost::test_tools::per_element());
  BOOST_TEST(names_in(folder / "out/checkpoint-9") ==
                 (std::vector<std::string>{"config.json", "generation_config.json", "model.safetensors",
                                           "optimizer.safetensors", "scheduler.json", "trainer_state.json",
                                           "training_args.json"}),
             boost::test_tools::per_element());
  BOOST_TEST(get_last_checkpoint(folder / "out")->filename() == "checkpoint-9");
  const auto saved = LlamaForCausalLM<f32>::from_pretrained(folder / "out");
  BOOST_TEST(num_parameters(saved) == num_parameters(model));
  const auto state = TrainerState::from_json(read_json(folder / "out/trainer_state.json"), "state");
  BOOST_TEST(state.global_step == 9);
  BOOST_TEST(state.log_history.size() == 4u);
}

BOOST_AUTO_TEST_CASE(a_checkpoint_that_cannot_be_written_leaves_the_last_one_whole) {
  const workspace folder;
  auto model = load();
  auto options = with(number_rows(16));
  int saves = 0;
  options.save_extra = [&](const std::filesystem::path& f) {
    if (++saves == 2) throw file_error(f.string(), "cannot write: no space left on device");
  };
  Trainer trainer(model, arguments(folder / "out", {"--max_steps", "9", "--save_steps", "2"}), std::move(options));
  BOOST_CHECK_THROW(trainer.train(), file_error);
  BOOST_TEST(names_in(folder / "out") == std::vector<std::string>{"checkpoint-2"}, boost::test_tools::per_element());
  BOOST_TEST(num_parameters(LlamaForCausalLM<f32>::from_pretrained(folder / "out/checkpoint-2")) > 0);
}

BOOST_AUTO_TEST_CASE(the_best_model_is_loaded_at_the_end) {
  const workspace folder;
  auto model = load();
  const auto rows = number_rows(16), others = number_rows(8, 2);
  auto args = arguments(folder / "out",
                        {"--max_steps", "12", "--save_steps", "2", "--eval_strategy", "steps", "--eval_steps", "2",
                         "--load_best_model_at_end", "--save_total_limit", "1", "--learning_rate", "1e-2"});
  Trainer trainer(model, args, with(rows, others));
  trainer.train();
  const auto& state = trainer.state();
  BOOST_TEST_REQUIRE(state.best_metric.has_value());
  BOOST_TEST(names_in(folder / "out") == std::vector<std::string>{detail::cat("checkpoint-", *state.best_global_step)},
             boost::test_tools::per_element());
  BOOST_TEST(std::abs(trainer.evaluate()["eval_loss"].get<f64>() - *state.best_metric) < 1e-6);
}

BOOST_AUTO_TEST_CASE(training_stops_early) {
  const workspace folder;
  auto model = load();
  auto args =
      arguments(folder / "out", {"--max_steps", "200", "--save_strategy", "no", "--eval_strategy", "steps",
                                 "--eval_steps", "1", "--metric_for_best_model", "loss", "--learning_rate", "0.05"});
  auto options = with(number_rows(16), number_rows(8, 2));
  options.callbacks.push_back(std::make_shared<EarlyStoppingCallback>(3));
  Trainer trainer(model, args, std::move(options));
  BOOST_TEST(trainer.train().global_step < 100);
}

BOOST_AUTO_TEST_CASE(metrics_see_all_predictions) {
  const workspace folder;
  auto model = load();
  auto options = with(number_rows(16), number_rows(10, 2));
  isize rows = 0;
  options.preprocess_logits_for_metrics = [](BatchTensor logits, const Batch&) {
    BatchTensor best{{logits.shape[0], logits.shape[1]}, {}, {}, false};
    const isize V = logits.shape[2];
    for (isize i = 0; i < logits.size() / V; ++i) {
      const auto row = logits.reals.begin() + i * V;
      best.integers.push_back(std::max_element(row, row + V) - row);
    }
    return best;
  };
  options.compute_metrics = [&](const EvalPrediction& p) -> json {
    BOOST_TEST(p.predictions.shape == p.label_ids.shape, boost::test_tools::per_element());
    BOOST_TEST(p.inputs.shape == p.label_ids.shape, boost::test_tools::per_element());
    rows = p.predictions.shape[0];
    return {{"accuracy", 0.5}, {"eval_other", 1}};
  };
  Trainer trainer(model,
                  arguments(folder / "out", {"--per_device_eval_batch_size", "4", "--include_for_metrics", "inputs"}),
                  std::move(options));
  const json metrics = trainer.evaluate();
  BOOST_TEST(rows == 10);
  BOOST_TEST(metrics["eval_accuracy"] == 0.5);
  BOOST_TEST(metrics["eval_other"] == 1);
  BOOST_TEST(metrics["eval_loss"].get<f64>() > 1);
  const auto predicted = trainer.predict(number_rows(5));
  BOOST_TEST(predicted.predictions.shape[0] == 5);
  BOOST_TEST(predicted.metrics.contains("test_loss"));
  BOOST_TEST(!std::filesystem::exists(folder / "out"));  // evaluating writes nothing
}

BOOST_AUTO_TEST_CASE(a_loss_that_is_not_finite_names_its_step) {
  const workspace folder;
  auto model = load();
  Trainer trainer(model, arguments(folder / "out", {"--max_steps", "9", "--debug", "underflow_overflow"}),
                  with(number_rows(64)));
  struct breaker final : TrainerCallback {
    Llama& model;
    explicit breaker(Llama& m) : model(m) {}
    void on_step_end(const TrainingArguments&, const TrainerState& state, TrainerControl&) override {
      if (state.global_step != 2) return;
      for_each_parameter(model, [](const std::string& path, parameter& p) {
        if (path == "model.norm.weight") *static_cast<f32*>(p.data()) = NAN;
      });
    }
  };
  trainer.add_callback(std::make_shared<breaker>(model));
  const auto text = failure([&] { trainer.train(); });
  BOOST_TEST(has(text, "the loss at step 3 (the values of 'model.norm.weight')"), text);
  BOOST_TEST(has(text, "([rms_norm] result"), text);
}

BOOST_AUTO_TEST_CASE(bad_input) {
  const workspace folder;
  auto model = load();
  const auto text = [&](std::vector<std::string> words, TrainerOptions options) {
    return failure([&] {
      Trainer trainer(model, arguments(folder / "out", words), std::move(options));
      trainer.train();
    });
  };
  const auto rows = number_rows(8);
  BOOST_TEST(has(text({"--eval_strategy", "epoch"}, with(rows)), "an eval_dataset"));
  BOOST_TEST(has(text({}, with({})), "at least one row"));
  BOOST_TEST(
      has(text({"--dataloader_drop_last", "--per_device_train_batch_size", "9"}, with(rows)), "at least one batch"));
  BOOST_TEST(has(text({"--resume_from_checkpoint", "true"}, with(rows)), "a checkpoint in"));
  BOOST_TEST(has(text({"--optim", "none_such"}, with(rows)), "optim"));
  auto out_of_range = with(rows.map([](json r) {
    r["labels"] = std::vector<i64>(r["input_ids"].size(), 99);
    return r;
  }));
  BOOST_TEST(has(text({}, std::move(out_of_range)), "99"));
  auto without = with(rows);
  without.data_collator = DataCollatorWithPadding{tokens()};
  BOOST_TEST(has(text({}, std::move(without)), "labels"));
  Trainer trainer(model,
                  arguments(folder / "out", {"--eval_strategy", "steps", "--eval_steps", "1", "--metric_for_best_model",
                                             "accuracy", "--max_steps", "2"}),
                  with(rows, rows));
  BOOST_TEST(has(failure([&] { trainer.train(); }), "'eval_accuracy' among the metrics, got eval_loss"));
}

BOOST_AUTO_TEST_SUITE_END()
