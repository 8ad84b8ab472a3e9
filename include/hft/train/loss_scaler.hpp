// LossScaler: keeps half-precision gradients within range by scaling the loss. (torch.amp.GradScaler)
#pragma once
#include <cmath>

#include <hft/dtype.hpp>
#include <hft/error.hpp>
#include <hft/io/json.hpp>

namespace hft {

/// The arguments of torch.amp.GradScaler, with its names and defaults.
struct LossScalerOptions {
  f64 init_scale = 65536;
  f64 growth_factor = 2;
  f64 backoff_factor = 0.5;
  isize growth_interval = 2000;
};

/// The scale shrinks when a gradient overflows, and that step is left out; it grows after so many steps in a row in
/// which none did (Micikevicius et al. 2018, arXiv 1710.03740). Throws value_error for options that GradScaler refuses.
class LossScaler {
 public:
  explicit LossScaler(const LossScalerOptions& options = {}) : o_(options), scale_(options.init_scale) {
    check("LossScaler");
  }

  f64 scale() const { return scale_; }
  /// After each step: whether its gradients were finite.
  void update(bool finite) {
    if (!finite) {
      scale_ *= o_.backoff_factor;
      steps_ = 0;
    } else if (++steps_ == o_.growth_interval) {
      if (std::isfinite(f32(scale_ * o_.growth_factor))) scale_ *= o_.growth_factor;
      steps_ = 0;
    }
  }
  /// Whether the scale has shrunk so far that it is not the scale that makes gradients overflow.
  bool exhausted() const { return scale_ < 0x1p-24; }

  json state_dict() const {
    return {{"scale", scale_},
            {"growth_factor", o_.growth_factor},
            {"backoff_factor", o_.backoff_factor},
            {"growth_interval", o_.growth_interval},
            {"_growth_tracker", steps_}};
  }
  /// Throws json_error and value_error for a state that is none.
  void load_state_dict(const json& state) {
    LossScaler loaded;
    loaded.scale_ = require<f64>(state, "scale", "scaler");
    loaded.o_.growth_factor = get<f64>(state, "growth_factor", o_.growth_factor, "scaler");
    loaded.o_.backoff_factor = get<f64>(state, "backoff_factor", o_.backoff_factor, "scaler");
    loaded.o_.growth_interval = get<isize>(state, "growth_interval", o_.growth_interval, "scaler");
    loaded.steps_ = require<isize>(state, "_growth_tracker", "scaler");
    loaded.check("scaler");
    *this = loaded;
  }

 private:
  void check(const char* where) const {
    const auto demand = [&](bool holds, const char* what, const char* expected, f64 got) {
      if (!holds) throw value_error(where, what, expected, detail::joined(got));
    };
    demand(scale_ > 0 && std::isfinite(f32(scale_)), "scale", "a positive number", scale_);
    demand(o_.growth_factor > 1 && std::isfinite(o_.growth_factor), "growth_factor", "more than 1", o_.growth_factor);
    demand(o_.backoff_factor > 0 && o_.backoff_factor < 1, "backoff_factor", "between 0 and 1", o_.backoff_factor);
    demand(o_.growth_interval > 0, "growth_interval", "at least 1", f64(o_.growth_interval));
    demand(steps_ >= 0 && steps_ < o_.growth_interval, "_growth_tracker", "less than growth_interval", f64(steps_));
  }

  LossScalerOptions o_;
  f64 scale_;
  isize steps_ = 0;
};

}  // namespace hft
