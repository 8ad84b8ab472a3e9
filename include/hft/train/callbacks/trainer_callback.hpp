// TrainerCallback: looks on while a Trainer works, and may ask it to log, evaluate, save or stop.
// CallbackHandler calls several in order. (transformers/trainer_callback.py)
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/train/arguments.hpp>
#include <hft/train/trainer_state.hpp>

namespace hft {

/// Events of a training run; each gets the arguments, the state, and the control, through which it asks for something.
class TrainerCallback {
 public:
  virtual ~TrainerCallback() = default;

  virtual void on_init_end(const TrainingArguments&, const TrainerState&, TrainerControl&) {}
  virtual void on_train_begin(const TrainingArguments&, const TrainerState&, TrainerControl&) {}
  virtual void on_train_end(const TrainingArguments&, const TrainerState&, TrainerControl&) {}
  virtual void on_epoch_begin(const TrainingArguments&, const TrainerState&, TrainerControl&) {}
  virtual void on_epoch_end(const TrainingArguments&, const TrainerState&, TrainerControl&) {}
  virtual void on_step_begin(const TrainingArguments&, const TrainerState&, TrainerControl&) {}
  /// Gradients are clipped, weights are those before the step.
  virtual void on_pre_optimizer_step(const TrainingArguments&, const TrainerState&, TrainerControl&) {}
  /// Weights are those after the step, gradients are still there.
  virtual void on_optimizer_step(const TrainingArguments&, const TrainerState&, TrainerControl&) {}
  /// A batch of several that are accumulated is done.
  virtual void on_substep_end(const TrainingArguments&, const TrainerState&, TrainerControl&) {}
  virtual void on_step_end(const TrainingArguments&, const TrainerState&, TrainerControl&) {}
  virtual void on_evaluate(const TrainingArguments&, const TrainerState&, TrainerControl&, const json& metrics) {
    (void)metrics;
  }
  virtual void on_predict(const TrainingArguments&, const TrainerState&, TrainerControl&, const json& metrics) {
    (void)metrics;
  }
  /// A checkpoint was written.
  virtual void on_save(const TrainingArguments&, const TrainerState&, TrainerControl&) {}
  /// `logs` is an object of numbers, and what else was logged.
  virtual void on_log(const TrainingArguments&, const TrainerState&, TrainerControl&, const json& logs) { (void)logs; }
  /// Batch `step` of `steps` of an evaluation is done.
  virtual void on_prediction_step(const TrainingArguments&, const TrainerState&, TrainerControl&, isize step,
                                  isize steps) {
    (void)step, (void)steps;
  }

  /// What a checkpoint keeps of it under its name; null: nothing. (ExportableState)
  virtual std::string_view name() const { return ""; }
  virtual json state() const { return nullptr; }
  virtual void load_state(const json&) {}
};

/// Calls callbacks in the order in which they were added.
class CallbackHandler {
 public:
  void add(std::shared_ptr<TrainerCallback> callback) { callbacks_.push_back(std::move(callback)); }
  /// Removes a callback; returns whether it was there.
  bool remove(const TrainerCallback* callback) {
    return std::erase_if(callbacks_, [&](const auto& c) { return c.get() == callback; }) > 0;
  }
  const std::vector<std::shared_ptr<TrainerCallback>>& callbacks() const { return callbacks_; }

  /// handler.call(&TrainerCallback::on_log, args, state, control, logs)
  template <class Event, class... Args>
  void call(Event event, const TrainingArguments& args, const TrainerState& state, TrainerControl& control,
            Args&&... rest) const {
    for (const auto& c : callbacks_) ((*c).*event)(args, state, control, rest...);
  }

  /// The states of callbacks that have one, and the control's, as trainer_state.json has them.
  json states(const TrainerControl& control) const {
    json out = json::object();
    for (const auto& c : callbacks_) {
      json s = c->state();
      if (s.is_null()) continue;
      json& slot = out[c->name()];
      if (slot.is_null()) {
        slot = std::move(s);
      } else {  // several of one class are a list
        if (!slot.is_array()) {
          json first = std::move(slot);
          slot = json::array();
          slot.push_back(std::move(first));
        }
        slot.push_back(std::move(s));
      }
    }
    out["TrainerControl"] = control.state();
    return out;
  }
  /// Gives callbacks back what a checkpoint kept of them.
  void load_states(const json& states) const {
    json used = json::object();
    for (const auto& c : callbacks_) {
      const json* s = c->name().empty() ? nullptr : find_member(states, c->name(), "trainer_state.json");
      if (!s) continue;
      if (!s->is_array()) {
        c->load_state(*s);
        continue;
      }
      const isize i = used.contains(c->name()) ? used[c->name()].get<isize>() : 0;
      used[c->name()] = i + 1;
      if (i < isize(s->size())) c->load_state((*s)[i]);
    }
  }

 private:
  std::vector<std::shared_ptr<TrainerCallback>> callbacks_;
};

}  // namespace hft
