// Callbacks for those who watch: ProgressCallback, a bar on a terminal, and PrinterCallback, a line for each log.
#pragma once
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>

#include <unistd.h>

#include <hft/progress_bar.hpp>
#include <hft/train/callbacks/trainer_callback.hpp>

namespace hft {

namespace detail {

// {'loss': '2.303', 'epoch': '1'}, as Transformers prints logs.
inline std::string log_text(const json& logs) {
  std::string out = "{";
  for (const auto& [key, value] : logs.items()) {
    if (key == "total_flos") continue;
    out += (out.size() > 1 ? ", '" : "'") + key + "': ";
    if (value.is_number_float())
      out += "'" + four_digits(value.get<f64>()) + "'";
    else if (value.is_string())
      out += "'" + value.get<std::string>() + "'";
    else
      out += value.dump();
  }
  return out + "}";
}

}  // namespace detail

/// A bar with the step, the remaining time and the last loss. It draws only where its stream is a terminal, a few times
/// a second.
class ProgressCallback final : public TrainerCallback {
 public:
  explicit ProgressCallback(std::FILE* stream = stderr) : stream_(stream), shown_(::isatty(::fileno(stream)) == 1) {}
  /// One that draws whatever the stream is.
  static ProgressCallback always(std::FILE* stream) {
    ProgressCallback bar(stream);
    bar.shown_ = true;
    return bar;
  }

  void on_train_begin(const TrainingArguments&, const TrainerState& state, TrainerControl&) override {
    begun_ = clock::now();
    first_step_ = state.global_step;
    training_ = true;
    draw(state, true);
  }
  void on_step_end(const TrainingArguments&, const TrainerState& state, TrainerControl&) override {
    draw(state, state.global_step >= state.max_steps);
  }
  void on_log(const TrainingArguments&, const TrainerState& state, TrainerControl&, const json& logs) override {
    if (const json* loss = find_member(logs, "loss")) loss_ = detail::four_digits(loss->get<f64>());
    if (const json* loss = find_member(logs, "eval_loss")) {
      if (!shown_) return;
      std::fprintf(stream_, "\r\033[K%s\n", detail::log_text(logs).c_str());
      (void)loss;
    }
    draw(state, true);
  }
  void on_prediction_step(const TrainingArguments&, const TrainerState& state, TrainerControl&, isize step,
                          isize steps) override {
    evaluating_ = step < steps ? detail::cat("  evaluating ", step, "/", steps) : std::string();
    draw(state, step == steps);
  }
  void on_train_end(const TrainingArguments&, const TrainerState& state, TrainerControl&) override {
    draw(state, true);
    if (shown_) std::fputc('\n', stream_), std::fflush(stream_);
    training_ = false;
  }

 private:
  using clock = std::chrono::steady_clock;

  void draw(const TrainerState& state, bool now) {
    const auto time = clock::now();
    if (!shown_ || (!now && time - drawn_ < std::chrono::milliseconds(100))) return;
    drawn_ = time;
    if (!training_ && evaluating_.empty()) {  // an evaluation behind the end is over: others write here next
      std::fputs("\r\033[K", stream_);
      std::fflush(stream_);
      return;
    }
    const isize total = std::max<isize>(state.max_steps, 1), step = std::min(state.global_step, total);
    const f64 elapsed = std::chrono::duration<f64>(time - begun_).count();
    const isize done = step - first_step_;
    std::string line = detail::cat("\r\033[K", detail::bar_text(step, total), " ", step, "/", total, "  ",
                                   detail::clock_text(elapsed));
    if (done > 0) line += " < " + detail::clock_text(elapsed / f64(done) * f64(total - step));
    if (!loss_.empty()) line += "  loss " + loss_;
    line += evaluating_;
    std::fputs(line.c_str(), stream_);
    std::fflush(stream_);
  }

  std::FILE* stream_;
  bool shown_, training_ = false;
  clock::time_point begun_{}, drawn_{};
  isize first_step_ = 0;
  std::string loss_, evaluating_;
};

/// A line for each log, as Transformers prints them.
class PrinterCallback final : public TrainerCallback {
 public:
  explicit PrinterCallback(std::FILE* stream = stdout) : stream_(stream) {}
  void on_log(const TrainingArguments&, const TrainerState&, TrainerControl&, const json& logs) override {
    std::fprintf(stream_, "%s\n", detail::log_text(logs).c_str());
    std::fflush(stream_);
  }

 private:
  std::FILE* stream_;
};

}  // namespace hft
