// TrainerState as Transformers writes it; when callbacks ask for what; progress and log files.
#include <boost/test/unit_test.hpp>
#include <cstdio>
#include <filesystem>
#include <string>

#include <unistd.h>

#include <hft/train/callbacks/flow.hpp>
#include <hft/train/callbacks/progress.hpp>
#include <hft/train/callbacks/tensorboard.hpp>

using namespace hft;

BOOST_AUTO_TEST_SUITE(callbacks)

namespace {

const json& golden() {
  static const json g = read_json(std::filesystem::path(HFT_TEST_DATA) / "train" / "callbacks.json");
  return g;
}

TrainingArguments arguments(std::vector<std::string> words) {
  TrainingArguments args;
  parse_args_into(words, args);
  args.complete();
  return args;
}

// What DefaultFlowCallback asks for after a step: some of "log eval save stop".
std::string asked(const TrainingArguments& args, isize step, isize max_steps = 10) {
  TrainerState state;
  state.max_steps = max_steps;
  state.compute_steps(args, max_steps);
  state.global_step = step;
  TrainerControl control;
  DefaultFlowCallback().on_step_end(args, state, control);
  return std::string(control.should_log ? "log " : "") + (control.should_evaluate ? "eval " : "") +
         (control.should_save ? "save " : "") + (control.should_training_stop ? "stop" : "");
}

std::string contents(std::FILE* f) {
  std::string out;
  std::rewind(f);
  for (int c; (c = std::fgetc(f)) != EOF;) out += char(c);
  return out;
}

std::filesystem::path scratch(const char* name) {
  const auto folder = std::filesystem::temp_directory_path() / ("hft_callbacks_" + std::to_string(::getpid()));
  return folder / name;
}

}  // namespace

BOOST_AUTO_TEST_CASE(the_state_is_written_as_transformers_writes_it) {
  const auto text = golden()["state"].get<std::string>();
  const auto state = TrainerState::from_json(json::parse(text), "trainer_state.json");
  BOOST_TEST(state.global_step == 12);
  BOOST_TEST(*state.best_metric == 0.25);
  BOOST_TEST(state.to_text() == text);
}

BOOST_AUTO_TEST_CASE(callbacks_keep_their_state) {
  const auto state = TrainerState::from_json(json::parse(golden()["state"].get<std::string>()), "trainer_state.json");
  CallbackHandler handler;
  handler.add(std::make_shared<EarlyStoppingCallback>(2, 0.5));
  handler.load_states(state.stateful_callbacks);
  TrainerControl control;
  control.should_log = true;
  BOOST_TEST(handler.states(control) == state.stateful_callbacks);
}

BOOST_AUTO_TEST_CASE(the_default_flow) {
  const auto args = arguments({"--logging_steps", "3", "--logging_first_step", "--eval_strategy", "steps",
                               "--eval_steps", "0.4", "--eval_delay", "5", "--save_steps", "5"});
  const std::vector<std::string> expected{"log ", "", "log ",  "",     "save ",
                                          "log ", "", "eval ", "log ", "eval save stop"};
  for (isize step = 1; step <= 10; ++step) BOOST_TEST(asked(args, step) == expected[std::size_t(step - 1)], step);
  TrainerControl control;
  TrainerState state;
  state.epoch = 1;
  const auto by_epoch =
      arguments({"--logging_strategy", "epoch", "--eval_strategy", "epoch", "--save_strategy", "epoch"});
  DefaultFlowCallback().on_epoch_end(by_epoch, state, control);
  BOOST_TEST((control.should_log && control.should_evaluate && control.should_save));
  BOOST_TEST(asked(by_epoch, 10) == "stop");
}

BOOST_AUTO_TEST_CASE(early_stopping) {
  const auto args =
      arguments({"--eval_strategy", "steps", "--load_best_model_at_end", "--metric_for_best_model", "accuracy"});
  EarlyStoppingCallback callback(2, 0.05);
  TrainerState state;
  TrainerControl control;
  callback.on_train_begin(args, state, control);
  const auto evaluated = [&](f64 accuracy) {
    callback.on_evaluate(args, state, control, {{"eval_accuracy", accuracy}});
    if (!state.best_metric || accuracy > *state.best_metric) state.best_metric = accuracy;
    return control.should_training_stop;
  };
  BOOST_TEST(!evaluated(0.5));
  BOOST_TEST(!evaluated(0.6));
  BOOST_TEST(!evaluated(0.62));  // better, by less than the threshold
  BOOST_TEST(!evaluated(0.7));
  BOOST_TEST(!evaluated(0.6));
  BOOST_TEST(evaluated(0.7));
  TrainingArguments none;
  none.complete();
  BOOST_CHECK_THROW(callback.on_train_begin(none, state, control), value_error);
  BOOST_CHECK_THROW(EarlyStoppingCallback(0), value_error);
}

BOOST_AUTO_TEST_CASE(the_bar_shows_step_time_and_loss_on_terminals_only) {
  const auto args = arguments({});
  TrainerState state;
  state.max_steps = 4;
  TrainerControl control;
  for (const bool terminal : {false, true}) {
    std::FILE* f = std::tmpfile();
    auto bar = terminal ? ProgressCallback::always(f) : ProgressCallback(f);
    state.global_step = 0;
    bar.on_train_begin(args, state, control);
    state.global_step = 2;
    bar.on_log(args, state, control, {{"loss", 2.34567}, {"epoch", 0.5}});
    bar.on_train_end(args, state, control);
    const auto text = contents(f);
    bar.on_prediction_step(args, state, control, 2, 2);
    bar.on_log(args, state, control, {{"eval_loss", 1.5}});
    const auto after = contents(f).substr(text.size());
    std::fclose(f);
    if (!terminal) {
      BOOST_TEST(text == "");
      continue;
    }
    BOOST_TEST(text.find("50% [===============               ] 2/4  00:00 < 00:00  loss 2.346") != text.npos, text);
    BOOST_TEST(text.back() == '\n');
    BOOST_TEST(after == "\r\033[K\r\033[K{'eval_loss': '1.5'}\n\r\033[K");  // no bar that is in the way of what comes
  }
  BOOST_TEST(detail::clock_text(3725.9) == "1:02:05");
}

BOOST_AUTO_TEST_CASE(the_printer_prints_as_transformers_does) {
  std::FILE* f = std::tmpfile();
  TrainerControl control;
  PrinterCallback(f).on_log(arguments({}), {}, control,
                            {{"loss", 2.34567}, {"learning_rate", 5e-05}, {"step", 3}, {"total_flos", 1.5}});
  BOOST_TEST(contents(f) == "{'loss': '2.346', 'learning_rate': '5e-05', 'step': 3}\n");
  std::fclose(f);
}

BOOST_AUTO_TEST_CASE(event_files_have_the_bytes_of_tensorboard) {
  BOOST_TEST(detail::crc32c("123456789") == 0xe3069283u);
  const auto record = detail::tf_record(detail::scalar_event(1.5, 300, {{"loss", 2.5}, {"eval_loss", -0.125}}));
  std::string hex;
  for (const char c : record) {
    char two[3];
    std::snprintf(two, sizeof two, "%02x", unsigned(static_cast<unsigned char>(c)));
    hex += two;
  }
  BOOST_TEST(hex == golden()["record"].get<std::string>());
}

BOOST_AUTO_TEST_CASE(log_files) {
  std::filesystem::remove_all(scratch("x").parent_path());
  const auto args = arguments({});
  TrainerState state;
  TrainerControl control;
  {
    TensorBoardCallback board(scratch("runs"));
    CSVLoggerCallback csv(scratch("log.csv"));
    JSONLinesLoggerCallback lines(scratch("log.jsonl"));
    for (isize step = 1; step < 3; ++step) {
      state.global_step = step;
      const json logs = {{"loss", 2.5 / f64(step)}, {"epoch", 0.5}};
      board.on_log(args, state, control, logs);
      csv.on_log(args, state, control, logs);
      lines.on_log(args, state, control, logs);
    }
    BOOST_TEST(read_text(board.path()).size() > 100u);
  }
  BOOST_TEST(read_text(scratch("log.csv")) == "step,name,value\n1,loss,2.5\n1,epoch,0.5\n2,loss,1.25\n2,epoch,0.5\n");
  BOOST_TEST(read_text(scratch("log.jsonl")) ==
             "{\"step\": 1, \"loss\": 2.5, \"epoch\": 0.5}\n{\"step\": 2, \"loss\": 1.25, \"epoch\": 0.5}\n");
  CSVLoggerCallback again(scratch("log.csv"));  // a resumed run goes on
  again.on_log(args, state, control, {{"loss", 1.0}});
  BOOST_TEST(read_text(scratch("log.csv")).ends_with("2,epoch,0.5\n2,loss,1.0\n"));
  CSVLoggerCallback nowhere("/proc/nowhere/log.csv");
  BOOST_CHECK_THROW(nowhere.on_log(args, state, control, {{"loss", 1.0}}), file_error);
  std::filesystem::remove_all(scratch("x").parent_path());
}

BOOST_AUTO_TEST_SUITE_END()
