// TrainerState and TrainerControl: where a training run stands, and what callbacks ask of it. trainer_state.json is
// the file that Transformers writes and reads. (transformers/trainer_callback.py)
#pragma once
#include <cmath>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <hft/dtype.hpp>
#include <hft/io/strict_json.hpp>

namespace hft {

/// What callbacks ask of the trainer. All but should_training_stop are for one step or epoch.
struct TrainerControl {
  bool should_training_stop = false;
  bool should_epoch_stop = false;
  bool should_save = false;
  bool should_evaluate = false;
  bool should_log = false;

  void new_training() { should_training_stop = false; }
  void new_epoch() { should_epoch_stop = false; }
  void new_step() { should_save = should_evaluate = should_log = false; }

  json state() const {
    return {{"args",
             {{"should_training_stop", should_training_stop},
              {"should_epoch_stop", should_epoch_stop},
              {"should_save", should_save},
              {"should_evaluate", should_evaluate},
              {"should_log", should_log}}},
            {"attributes", json::object()}};
  }
};

/// A step is an update of the weights, however many batches it accumulated.
struct TrainerState {
  f64 epoch = 0;  // the fraction is that of the epoch at hand
  isize global_step = 0;
  isize max_steps = 0;
  f64 logging_steps = 500, eval_steps = 500, save_steps = 500;
  std::optional<isize> train_batch_size = {};
  isize num_train_epochs = 0;
  i64 num_input_tokens_seen = 0;
  f64 total_flos = 0;
  std::vector<json> log_history = {};  // objects of what was logged, each with its "step"
  std::optional<f64> best_metric = {};
  std::optional<isize> best_global_step = {};
  std::optional<std::string> best_model_checkpoint = {};
  bool is_hyper_param_search = false;
  std::optional<std::string> trial_name = {};
  json trial_params = nullptr;
  json stateful_callbacks = json::object();

  template <class Self, class F>
  static void fields(Self& s, F& field) {
    field("epoch", s.epoch);
    field("global_step", s.global_step);
    field("max_steps", s.max_steps);
    field("logging_steps", s.logging_steps);
    field("eval_steps", s.eval_steps);
    field("save_steps", s.save_steps);
    field("train_batch_size", s.train_batch_size);
    field("num_train_epochs", s.num_train_epochs);
    field("num_input_tokens_seen", s.num_input_tokens_seen);
    field("total_flos", s.total_flos);
    field("log_history", s.log_history);
    field("best_metric", s.best_metric);
    field("best_global_step", s.best_global_step);
    field("best_model_checkpoint", s.best_model_checkpoint);
    field("is_hyper_param_search", s.is_hyper_param_search);
    field("trial_name", s.trial_name);
    field("trial_params", s.trial_params);
    field("stateful_callbacks", s.stateful_callbacks);
  }

  /// Steps given as shares become numbers. (compute_steps)
  template <class Arguments>
  void compute_steps(const Arguments& args, isize steps) {
    const auto absolute = [&](f64 value) { return value < 1 ? std::ceil(f64(steps) * value) : value; };
    logging_steps = absolute(args.logging_steps);
    if (args.eval_steps) eval_steps = absolute(*args.eval_steps);
    save_steps = absolute(args.save_steps);
  }

  json to_json() const {
    json object = json::object();
    const writer write{object};
    fields(*this, write);
    // There is one process.
    object["is_local_process_zero"] = true;
    object["is_world_process_zero"] = true;
    return object;
  }
  /// As Transformers writes it, to the byte, but for numbers that are not finite, which are null.
  std::string to_text() const { return dump(strict_json(to_json())); }
  /// Throws format_error, naming `where`, for a value of another type.
  static TrainerState from_json(const json& object, std::string_view where) {
    TrainerState s;
    const reader read{object, where};
    fields(s, read);
    if (s.best_metric && std::isnan(*s.best_metric)) s.best_metric.reset();  // Transformers takes the first, even NaN
    return s;
  }

 private:
  struct writer {
    json& object;
    template <class T>
    void operator()(const char* key, const T& value) const {
      if constexpr (requires { value.has_value(); })
        object[key] = value ? json(*value) : json(nullptr);
      else if constexpr (std::is_same_v<T, f64>)
        // Python's ints stay ints: steps are whole numbers there.
        object[key] = std::string_view(key).ends_with("_steps") ? json(i64(value)) : json(value);
      else
        object[key] = value;
    }
  };
  struct reader {
    const json& object;
    std::string_view where;
    template <class T>
    void operator()(const char* key, T& field) const {
      const json* value = find_member(object, key, where);
      if (!value) return;
      if constexpr (requires { field.has_value(); })
        field = json_as<typename T::value_type>(*value, where, key);
      else
        field = json_as<T>(*value, where, key);
    }
  };
};

}  // namespace hft
