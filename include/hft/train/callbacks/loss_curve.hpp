// LossCurveCallback: the loss of a run as a picture, at its end.
#pragma once
#include <filesystem>
#include <utility>

#include <hft/train/callbacks/trainer_callback.hpp>
#include <hft/train/loss_curve.hpp>

namespace hft {

/// Writes the losses of a run to an SVG file where training ends, or is interrupted (loss_curve.hpp).
class LossCurveCallback final : public TrainerCallback {
 public:
  explicit LossCurveCallback(std::filesystem::path path, LossCurveOptions options = {})
      : path_(std::move(path)), options_(std::move(options)) {}
  /// Throws file_error where it cannot be written.
  void on_train_end(const TrainingArguments&, const TrainerState& state, TrainerControl&) override {
    save_loss_curve(state.log_history, path_, options_);
  }

 private:
  std::filesystem::path path_;
  LossCurveOptions options_;
};

}  // namespace hft
