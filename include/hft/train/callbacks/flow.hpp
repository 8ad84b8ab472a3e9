// The callbacks that steer: DefaultFlowCallback, which every Trainer has, and EarlyStoppingCallback.
#pragma once
#include <cmath>

#include <hft/train/callbacks/trainer_callback.hpp>

namespace hft {

/// Asks for logs, evaluations and checkpoints when the arguments say so, and for the end after max_steps.
class DefaultFlowCallback final : public TrainerCallback {
 public:
  void on_step_end(const TrainingArguments& args, const TrainerState& state, TrainerControl& control) override {
    const f64 step = f64(state.global_step);
    const auto due = [&](f64 every) { return every > 0 && std::fmod(step, every) == 0; };
    const bool evaluates = args.eval_strategy == IntervalStrategy::steps && args.eval_delay <= step;
    if (state.global_step == 1 && args.logging_first_step) control.should_log = true;
    if (args.logging_strategy == IntervalStrategy::steps && due(state.logging_steps)) control.should_log = true;
    if (evaluates && due(state.eval_steps)) control.should_evaluate = true;
    if (args.save_strategy == SaveStrategy::steps && due(state.save_steps)) control.should_save = true;
    if (state.global_step < state.max_steps) return;
    control.should_training_stop = true;
    if (evaluates) control.should_evaluate = true;
    if (args.save_strategy == SaveStrategy::steps) control.should_save = true;
  }
  void on_epoch_end(const TrainingArguments& args, const TrainerState& state, TrainerControl& control) override {
    if (args.logging_strategy == IntervalStrategy::epoch) control.should_log = true;
    if (args.eval_strategy == IntervalStrategy::epoch && args.eval_delay <= state.epoch) control.should_evaluate = true;
    if (args.save_strategy == SaveStrategy::epoch) control.should_save = true;
  }
};

/// Stops training when metric_for_best_model has not improved by more than a threshold in so many evaluations.
class EarlyStoppingCallback final : public TrainerCallback {
 public:
  explicit EarlyStoppingCallback(isize early_stopping_patience = 1, f64 early_stopping_threshold = 0)
      : patience_(early_stopping_patience), threshold_(early_stopping_threshold) {
    if (patience_ < 1)
      throw value_error("EarlyStoppingCallback", "early_stopping_patience", "at least 1", detail::joined(patience_));
  }

  /// Throws value_error for arguments without a metric or evaluations.
  void on_train_begin(const TrainingArguments& args, const TrainerState&, TrainerControl&) override {
    if (!args.metric_for_best_model) throw value_error("EarlyStoppingCallback", "", "metric_for_best_model", "none");
    if (args.eval_strategy == IntervalStrategy::no)
      throw value_error("EarlyStoppingCallback", "eval_strategy", "steps or epoch", "no");
  }
  void on_evaluate(const TrainingArguments& args, const TrainerState& state, TrainerControl& control,
                   const json& metrics) override {
    std::string name = *args.metric_for_best_model;
    if (!name.starts_with("eval_")) name.insert(0, "eval_");
    const auto metric = get_optional<f64>(metrics, name, "metrics");
    if (!metric) return;
    const f64 best = state.best_metric.value_or(*metric);
    const bool better = !state.best_metric ? !std::isnan(*metric)
                                           : (args.greater_is_better.value_or(false) ? *metric > best : *metric < best);
    if (better && (!state.best_metric || std::abs(*metric - *state.best_metric) > threshold_))
      counter_ = 0;
    else
      ++counter_;
    if (counter_ >= patience_) control.should_training_stop = true;
  }

  std::string_view name() const override { return "EarlyStoppingCallback"; }
  json state() const override {
    return {{"args", {{"early_stopping_patience", patience_}, {"early_stopping_threshold", threshold_}}},
            {"attributes", json::object({{"early_stopping_patience_counter", counter_}})}};
  }
  void load_state(const json& state) override {
    counter_ = require<isize>(require<json>(state, "attributes", "trainer_state.json"),
                              "early_stopping_patience_counter", "trainer_state.json");
  }

 private:
  isize patience_;
  f64 threshold_;
  isize counter_ = 0;  // evaluations without an improvement
};

}  // namespace hft
