// LossScaler: keeps half-precision gradients within range by scaling the loss. (torch.amp.GradScaler)
#pragma once
#include <hft/dtype.hpp>
#include <hft/io/json.hpp>

namespace hft {

/// The scale halves when a gradient overflows, and doubles after so many steps in which none did (Micikevicius et al.
/// 2018, arXiv 1710.03740).
class LossScaler {
 public:
  f64 scale() const { return scale_; }
  /// After each step: whether its gradients were finite.
  void update(bool finite) {
    if (!finite) {
      scale_ *= 0.5;
      steps_ = 0;
    } else if (++steps_ == growth_interval) {
      scale_ *= 2;
      steps_ = 0;
    }
  }
  json state_dict() const { return {{"scale", scale_}, {"_growth_tracker", steps_}}; }
  void load_state_dict(const json& state) {
    scale_ = require<f64>(state, "scale", "scaler");
    steps_ = require<isize>(state, "_growth_tracker", "scaler");
  }

 private:
  static constexpr isize growth_interval = 2000;
  f64 scale_ = 65536;
  isize steps_ = 0;
};

}  // namespace hft
