// Learning rate schedules: the twelve of transformers.optimization.get_scheduler, with its names, arguments and values.
//
//   auto scheduler = get_scheduler("cosine", 5e-5, {.num_warmup_steps = 10, .num_training_steps = 1000});
//   optimizer->step(parameters, scheduler->get_last_lr());
//   scheduler->step();                                   // or step(metric) where scheduler->takes_metric()
#pragma once
#include <algorithm>
#include <cmath>
#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <hft/dtype.hpp>
#include <hft/error.hpp>
#include <hft/io/json.hpp>
#include <hft/linkage.hpp>

namespace hft {

/// A schedule. It begins with the learning rate of the first optimizer step; step() moves to that of the next.
class LRScheduler {
 public:
  LRScheduler(const LRScheduler&) = delete;
  LRScheduler& operator=(const LRScheduler&) = delete;
  virtual ~LRScheduler() = default;

  /// The learning rate of the optimizer step to come.
  f64 get_last_lr() const { return lr_; }

  /// Whether it is stepped after each evaluation, with a metric, rather than after each optimizer step.
  virtual bool takes_metric() const { return false; }
  /// After an optimizer step. Throws value_error where it takes a metric.
  virtual void step() { throw value_error("LRScheduler", "step()", "step(metric) for a schedule that takes one"); }
  /// After an evaluation. Throws value_error where it does not take a metric.
  virtual void step(f64) { throw value_error("LRScheduler", "step(metric)", "step() for a schedule that takes none"); }

  /// What changes while it runs; load_state_dict() takes it back, or throws format_error.
  virtual json state_dict() const = 0;
  virtual void load_state_dict(const json& state) = 0;

 protected:
  explicit LRScheduler(f64 lr) : lr_(lr) {}
  f64 lr_;
};

/// The learning rate is a function of the number of steps: base_lr * factor(step).
class LambdaLR final : public LRScheduler {
 public:
  LambdaLR(f64 base_lr, std::function<f64(i64)> factor)
      : LRScheduler(base_lr), base_lr_(base_lr), factor_(std::move(factor)) {
    lr_ = base_lr_ * factor_(0);
  }

  using LRScheduler::step;
  void step() override { lr_ = base_lr_ * factor_(++last_epoch_); }

  json state_dict() const override { return {{"last_epoch", last_epoch_}, {"_last_lr", lr_}}; }
  void load_state_dict(const json& state) override {
    last_epoch_ = require<i64>(state, "last_epoch", "scheduler");
    lr_ = require<f64>(state, "_last_lr", "scheduler");
  }

 private:
  f64 base_lr_;
  std::function<f64(i64)> factor_;
  i64 last_epoch_ = 0;
};

namespace detail {

/// Whether a metric is an improvement by more than a threshold, relative to the best one or absolute.
struct metric_comparison {
  bool minimize = true;
  bool relative = true;
  f64 threshold = 0;

  f64 worst() const {
    constexpr f64 infinity = std::numeric_limits<f64>::infinity();
    return minimize ? infinity : -infinity;
  }
  bool better(f64 metric, f64 best) const {
    if (minimize) return metric < (relative ? best * (1 - threshold) : best - threshold);
    return metric > (relative ? best * (1 + threshold) : best + threshold);
  }
};

// JSON has no infinity; the worst metric is null there.
inline json finite_or_null(f64 x) { return std::isfinite(x) ? json(x) : json(); }

/// The arguments of one schedule (lr_scheduler_kwargs): each is asked for by name, and none may be left over.
class schedule_arguments {
 public:
  schedule_arguments(std::string_view schedule, const json& values) : where_(schedule), values_(values) {
    if (!values_.is_null() && !values_.is_object())
      throw value_error(where_, "lr_scheduler_kwargs", "a JSON object", describe(values_));
  }
  /// The argument, or nothing where it is not given or null.
  template <class T>
  std::optional<T> get(std::string_view key) {
    known_ += known_.empty() ? "" : ", ";
    known_ += key;
    if (values_.is_null() || !values_.contains(key)) return {};
    ++used_;
    return get_optional<T>(values_, key, "lr_scheduler_kwargs");
  }
  template <class T>
  T get(std::string_view key, T fallback) {
    return get<T>(key).value_or(fallback);
  }
  std::string one_of(std::string_view key, std::string fallback, std::initializer_list<std::string_view> choices) {
    const std::string value = get<std::string>(key, std::move(fallback));
    std::string all;
    for (const auto c : choices) {
      if (value == c) return value;
      all += cat(all.empty() ? "" : ", ", c);
    }
    throw value_error(where_, key, all, value);
  }
  /// Throws value_error where something was given that nobody asked for.
  void finish() const {
    if (used_ == values_.size()) return;
    std::string given;
    for (const auto& [key, value] : values_.get_ref<const json::object_t&>())
      given += cat(given.empty() ? "" : ", ", key);
    throw value_error(where_, "lr_scheduler_kwargs", known_.empty() ? "none" : "only " + known_, given);
  }
  const std::string& where() const { return where_; }

 private:
  std::string where_, known_;
  const json& values_;
  std::size_t used_ = 0;
};

}  // namespace detail

/// The learning rate shrinks when a metric has stopped improving. (torch.optim.lr_scheduler.ReduceLROnPlateau)
class ReduceLROnPlateau final : public LRScheduler {
 public:
  /// kwargs: mode, factor, patience, threshold, threshold_mode, cooldown, min_lr, eps.
  explicit ReduceLROnPlateau(f64 lr, const json& kwargs = {}) : LRScheduler(lr) {
    detail::schedule_arguments a("reduce_lr_on_plateau", kwargs);
    compare_.minimize = a.one_of("mode", "min", {"min", "max"}) == "min";
    factor_ = a.get("factor", 0.1);
    patience_ = a.get("patience", i64(10));
    compare_.threshold = a.get("threshold", 1e-4);
    compare_.relative = a.one_of("threshold_mode", "rel", {"rel", "abs"}) == "rel";
    cooldown_ = a.get("cooldown", i64(0));
    min_lr_ = a.get("min_lr", 0.0);
    eps_ = a.get("eps", 1e-8);
    a.finish();
    if (!(factor_ < 1)) throw value_error(a.where(), "factor", "less than 1", detail::joined(factor_));
    best_ = compare_.worst();
  }

  bool takes_metric() const override { return true; }
  using LRScheduler::step;
  void step(f64 metric) override {
    if (compare_.better(metric, best_)) {
      best_ = metric;
      bad_ = 0;
    } else {
      ++bad_;
    }
    if (waiting_ > 0) {
      --waiting_;
      bad_ = 0;
    }
    if (bad_ <= patience_) return;
    const f64 next = std::max(lr_ * factor_, min_lr_);
    if (lr_ - next > eps_) lr_ = next;
    waiting_ = cooldown_;
    bad_ = 0;
  }

  json state_dict() const override {
    return {{"_last_lr", lr_},
            {"best", detail::finite_or_null(best_)},
            {"num_bad_epochs", bad_},
            {"cooldown_counter", waiting_}};
  }
  void load_state_dict(const json& state) override {
    lr_ = require<f64>(state, "_last_lr", "scheduler");
    best_ = get<f64>(state, "best", compare_.worst(), "scheduler");
    bad_ = require<i64>(state, "num_bad_epochs", "scheduler");
    waiting_ = require<i64>(state, "cooldown_counter", "scheduler");
  }

 private:
  detail::metric_comparison compare_;
  f64 factor_, min_lr_, eps_, best_;
  i64 patience_, cooldown_, bad_ = 0, waiting_ = 0;
};

/// The learning rate grows while a metric keeps improving and shrinks when it does not (arXiv 2512.14527).
/// (transformers.optimization.GreedyLR)
class GreedyLR final : public LRScheduler {
 public:
  /// kwargs: mode, factor, patience, threshold, threshold_mode, cooldown, warmup, min_lr, max_lr, eps, verbose, smooth,
  /// window_size, reset_start.
  explicit GreedyLR(f64 lr, const json& kwargs = {}) : LRScheduler(lr), initial_lr_(lr) {
    detail::schedule_arguments a("greedy", kwargs);
    compare_.minimize = a.one_of("mode", "min", {"min", "max"}) == "min";
    factor_ = a.get("factor", 0.95);
    patience_ = a.get("patience", i64(10));
    compare_.threshold = a.get("threshold", 1e-6);
    compare_.relative = a.one_of("threshold_mode", "abs", {"rel", "abs"}) == "rel";
    cooldown_ = a.get("cooldown", i64(0));
    warmup_ = a.get("warmup", i64(0));
    min_lr_ = a.get("min_lr", 1e-3);
    max_lr_ = a.get("max_lr", 1.0);
    eps_ = a.get("eps", 1e-8);
    (void)a.get("verbose", false);  // the library prints nothing
    smooth_ = a.get("smooth", false);
    window_size_ = a.get("window_size", i64(50));
    reset_start_ = steps_at_min_ = a.get("reset_start", i64(500));
    a.finish();
    if (!(factor_ < 1)) throw value_error(a.where(), "factor", "less than 1", detail::joined(factor_));
    if (window_size_ < 1) throw value_error(a.where(), "window_size", "at least 1", detail::joined(window_size_));
    best_ = compare_.worst();
  }

  bool takes_metric() const override { return true; }
  using LRScheduler::step;
  void step(f64 metric) override {
    if (smooth_) metric = average(metric);
    if (cooling_ > 0) {
      --cooling_;
      bad_ = good_ = 0;
    } else if (warming_ > 0) {
      --warming_;
      bad_ = good_ = 0;
    } else {
      if (compare_.better(metric, best_)) {
        best_ = metric;
        bad_ = 0;
        ++good_;
      } else {
        ++bad_;
        good_ = 0;
      }
      if (good_ > patience_) {
        grow();
        warming_ = warmup_;
        good_ = 0;
      } else if (bad_ > patience_) {
        shrink();
        cooling_ = cooldown_;
        bad_ = 0;
      }
    }
  }

  json state_dict() const override {
    json window = json::array();
    for (const f64 x : window_) window.push_back(x);
    return {{"_last_lr", lr_},
            {"best", detail::finite_or_null(best_)},
            {"num_bad_epochs", bad_},
            {"num_good_epochs", good_},
            {"cooldown_counter", cooling_},
            {"warmup_counter", warming_},
            {"reset_start", steps_at_min_},
            {"window", window},
            {"window_sum", sum_}};
  }
  void load_state_dict(const json& state) override {
    constexpr std::string_view where = "scheduler";
    lr_ = require<f64>(state, "_last_lr", where);
    best_ = get<f64>(state, "best", compare_.worst(), where);
    bad_ = require<i64>(state, "num_bad_epochs", where);
    good_ = require<i64>(state, "num_good_epochs", where);
    cooling_ = require<i64>(state, "cooldown_counter", where);
    warming_ = require<i64>(state, "warmup_counter", where);
    steps_at_min_ = require<i64>(state, "reset_start", where);
    const auto window = require<std::vector<f64>>(state, "window", where);
    window_.assign(window.begin(), window.end());
    sum_ = require<f64>(state, "window_sum", where);
  }

 private:
  f64 average(f64 metric) {
    window_.push_back(metric);
    sum_ += metric;
    if (i64(window_.size()) > window_size_) {
      sum_ -= window_.front();
      window_.pop_front();
    }
    return sum_ / f64(window_.size());
  }
  void grow() {
    const f64 next = std::min(lr_ / factor_, max_lr_);
    if (next - lr_ > eps_) lr_ = next;
    steps_at_min_ = reset_start_;
  }
  void shrink() {
    const f64 next = std::max(lr_ * factor_, min_lr_);
    if (lr_ - next > eps_) lr_ = next;
    if (lr_ > min_lr_ || --steps_at_min_ > 0) return;
    lr_ = initial_lr_;  // it has been at its lowest for long: begin again
    best_ = compare_.worst();
    bad_ = good_ = cooling_ = warming_ = 0;
    steps_at_min_ = reset_start_;
    window_.clear();
    sum_ = 0;
  }

  detail::metric_comparison compare_;
  f64 initial_lr_, factor_, min_lr_, max_lr_, eps_, best_, sum_ = 0;
  i64 patience_, cooldown_, warmup_, window_size_, reset_start_, steps_at_min_;
  i64 bad_ = 0, good_ = 0, cooling_ = 0, warming_ = 0;
  bool smooth_;
  std::deque<f64> window_;  // the last metrics, where it smooths
};

/// What get_scheduler takes beside the name and the learning rate.
struct ScheduleOptions {
  i64 num_warmup_steps = 0;
  i64 num_training_steps = 0;
  json lr_scheduler_kwargs = {};  // an object, or null
};

/// TrainingArguments.warmup_steps as a number of steps: below 1 it is a share of all. (get_warmup_steps)
inline i64 get_warmup_steps(f64 warmup_steps, i64 num_training_steps) {
  return warmup_steps >= 1 ? i64(warmup_steps) : i64(std::ceil(f64(num_training_steps) * warmup_steps));
}

/// The schedule that TrainingArguments.lr_scheduler_type names. Throws value_error for an unknown name, and for
/// arguments that are missing, out of range, or not the schedule's. (transformers.get_scheduler)
std::unique_ptr<LRScheduler> get_scheduler(std::string_view name, f64 lr, const ScheduleOptions& options = {});

#if HFT_DEFINES(TRAIN)

namespace detail {

inline constexpr f64 pi = 3.141592653589793;

inline f64 fraction(i64 n, i64 of) { return f64(n) / f64(std::max<i64>(1, of)); }

/// The arguments min_lr and min_lr_rate, of which exactly one must be given, as a rate.
inline f64 min_lr_rate(schedule_arguments& a, f64 lr) {
  const auto min_lr = a.get<f64>("min_lr"), rate = a.get<f64>("min_lr_rate");
  if (min_lr.has_value() == rate.has_value())
    throw value_error(a.where(), "lr_scheduler_kwargs", "one of min_lr and min_lr_rate", min_lr ? "both" : "neither");
  return min_lr ? *min_lr / lr : *rate;
}

/// A function of the step number for the schedules that are one; empty for a name that is none of them.
inline std::function<f64(i64)> schedule_factor(std::string_view name, f64 lr, i64 warmup, i64 total,
                                               schedule_arguments& a) {
  const auto warm_up = [warmup](auto after) -> std::function<f64(i64)> {
    return [=](i64 step) { return step < warmup ? fraction(step, warmup) : after(step); };
  };
  if (name == "constant") return [](i64) { return 1.0; };
  if (name == "constant_with_warmup") return warm_up([](i64) { return 1.0; });
  if (name == "linear") return warm_up([=](i64 step) { return std::max(0.0, fraction(total - step, total - warmup)); });
  if (name == "cosine") {
    const f64 cycles = a.get("num_cycles", 0.5);
    return warm_up([=](i64 step) {
      return std::max(0.0, 0.5 * (1 + std::cos(pi * cycles * 2 * fraction(step - warmup, total - warmup))));
    });
  }
  if (name == "cosine_with_restarts") {
    const f64 cycles = a.get("num_cycles", 1.0);
    return warm_up([=](i64 step) {
      const f64 progress = fraction(step - warmup, total - warmup);
      return progress >= 1 ? 0.0 : std::max(0.0, 0.5 * (1 + std::cos(pi * std::fmod(cycles * progress, 1.0))));
    });
  }
  if (name == "polynomial") {
    const f64 end = a.get("lr_end", 1e-7), power = a.get("power", 1.0);
    if (!(lr > end)) throw value_error(name, "lr_end", joined("less than the learning rate ", lr), joined(end));
    return warm_up([=](i64 step) {
      if (step > total) return end / lr;
      const f64 remaining = 1 - f64(step - warmup) / f64(total - warmup);
      return ((lr - end) * std::pow(remaining, power) + end) / lr;
    });
  }
  if (name == "inverse_sqrt") {
    const i64 timescale = a.get("timescale", warmup ? warmup : i64(10000));
    return warm_up([=](i64 step) { return 1 / std::sqrt(f64(step + timescale - warmup) / f64(timescale)); });
  }
  if (name == "cosine_with_min_lr") {
    const f64 cycles = a.get("num_cycles", 0.5), rate = min_lr_rate(a, lr);
    return warm_up([=](i64 step) {
      const f64 factor = 0.5 * (1 + std::cos(pi * cycles * 2 * fraction(step - warmup, total - warmup)));
      return std::max(0.0, factor * (1 - rate) + rate);
    });
  }
  if (name == "cosine_warmup_with_min_lr") {
    const f64 cycles = a.get("num_cycles", 0.5), rate = min_lr_rate(a, lr);
    const auto warmup_rate = a.get<f64>("warmup_lr_rate");
    return [=](i64 step) {
      if (step < warmup)
        return warmup_rate ? *warmup_rate + (1 - *warmup_rate) * f64(step) / f64(std::max<i64>(1, warmup - 1))
                           : fraction(step + 1, warmup);
      const f64 factor = 0.5 * (1 + std::cos(pi * cycles * 2 * fraction(step - warmup + 1, total - warmup)));
      return std::max(0.0, factor * (1 - rate) + rate);
    };
  }
  if (name == "warmup_stable_decay") {
    const auto decay = a.get<i64>("num_decay_steps");
    if (!decay) throw value_error(name, "lr_scheduler_kwargs", "num_decay_steps");
    const i64 stable = a.get("num_stable_steps", total - warmup - *decay);
    const std::string rise = a.one_of("warmup_type", "linear", {"linear", "cosine", "1-sqrt"});
    const std::string fall = a.one_of("decay_type", "cosine", {"linear", "cosine", "1-sqrt"});
    const f64 least = a.get("min_lr_ratio", 0.0), cycles = a.get("num_cycles", 0.5);
    return [=, decay = *decay](i64 step) {
      const auto scaled = [&](f64 factor) { return std::max(0.0, factor * (1 - least) + least); };
      if (step < warmup) {
        const f64 x = fraction(step, warmup);
        return scaled(rise == "linear" ? x : rise == "cosine" ? 0.5 * (1 - std::cos(pi * x)) : 1 - std::sqrt(1 - x));
      }
      if (step < warmup + stable) return 1.0;
      if (step >= warmup + stable + decay) return least;
      const f64 x = fraction(step - warmup - stable, decay);
      return scaled(fall == "linear"   ? 1 - x
                    : fall == "cosine" ? 0.5 * (1 + std::cos(pi * cycles * 2 * x))
                                       : 1 - std::sqrt(x));
    };
  }
  return nullptr;
}

}  // namespace detail

HFT_INLINE std::unique_ptr<LRScheduler> get_scheduler(std::string_view name, f64 lr, const ScheduleOptions& options) {
  const json& kwargs = options.lr_scheduler_kwargs;
  if (name == "reduce_lr_on_plateau") return std::make_unique<ReduceLROnPlateau>(lr, kwargs);
  if (name == "greedy") return std::make_unique<GreedyLR>(lr, kwargs);
  detail::schedule_arguments arguments(name, kwargs);
  auto factor = detail::schedule_factor(name, lr, options.num_warmup_steps, options.num_training_steps, arguments);
  if (!factor)
    throw value_error(
        "get_scheduler", "lr_scheduler_type",
        "linear, cosine, cosine_with_restarts, polynomial, constant, constant_with_warmup, inverse_sqrt, "
        "reduce_lr_on_plateau, cosine_with_min_lr, cosine_warmup_with_min_lr, warmup_stable_decay, greedy",
        name);
  arguments.finish();
  return std::make_unique<LambdaLR>(lr, std::move(factor));
}

#endif  // HFT_DEFINES

}  // namespace hft
