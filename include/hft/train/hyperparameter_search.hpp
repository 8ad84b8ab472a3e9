// hyperparameter_search: trains with different arguments and keeps the best run. Grid and random search, or any other
// way to suggest arguments. (transformers.Trainer.hyperparameter_search)
//
//   const std::vector<Hyperparameter> space{{"learning_rate", 1e-5, 1e-3, true}, {"per_device_train_batch_size", {8,
//   16}}}; const BestRun best = hyperparameter_search(args, random_search(space, 10, 42), [&](const TrainingArguments&
//   a) {
//     auto model = Model::from_pretrained(folder);
//     Trainer trainer(model, a, {...});
//     trainer.train();
//     return trainer.evaluate();
//   });
#pragma once
#include <cmath>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <hft/random.hpp>
#include <hft/train/arguments.hpp>

namespace hft {

/// A field of TrainingArguments and what it may be: one of some values, or a number in a range.
struct Hyperparameter {
  Hyperparameter(std::string field, std::vector<json> choices) : name(std::move(field)), values(std::move(choices)) {}
  Hyperparameter(std::string field, f64 from, f64 to, bool logarithmic = false)
      : name(std::move(field)), low(from), high(to), log(logarithmic) {}

  std::string name;
  std::vector<json> values = {};
  f64 low = 0, high = 0;
  bool log = false;  // drawn evenly in its logarithm
};

/// What a trial was given, and what came of it.
struct Trial {
  json hyperparameters;
  f64 objective = 0;
};

/// transformers.BestRun.
struct BestRun {
  std::string run_id;
  f64 objective = 0;
  json hyperparameters;
  std::vector<Trial> trials;
};

/// The fields of the next trial, given those before; nothing ends the search.
using Suggester = std::function<std::optional<json>(const std::vector<Trial>& before)>;

/// Every combination of the values. Throws value_error for a range or an empty choice.
inline Suggester grid_search(std::vector<Hyperparameter> space) {
  for (const auto& h : space)
    if (h.values.empty()) throw value_error("grid_search", h.name, "values to choose from", "a range");
  return [space = std::move(space)](const std::vector<Trial>& before) -> std::optional<json> {
    std::size_t at = before.size();
    json out = json::object();
    for (std::size_t i = space.size(); i-- > 0;) {  // the last one changes fastest
      out[space[i].name] = space[i].values[at % space[i].values.size()];
      at /= space[i].values.size();
    }
    if (at > 0) return {};
    return out;
  };
}

/// Draws so many times. Throws value_error for a range without a number in it.
inline Suggester random_search(std::vector<Hyperparameter> space, isize n_trials, std::uint64_t seed = 0) {
  for (const auto& h : space)
    if (h.values.empty() && !(h.low <= h.high && (!h.log || h.low > 0)))
      throw value_error("random_search", h.name, "low <= high, above 0 where logarithmic",
                        detail::joined(h.low, " to ", h.high));
  return [space = std::move(space), n_trials, seed](const std::vector<Trial>& before) -> std::optional<json> {
    if (isize(before.size()) >= n_trials) return {};
    const random_stream random(seed, before.size());
    json out = json::object();
    for (std::size_t i = 0; i < space.size(); ++i) {
      const Hyperparameter& h = space[i];
      const f64 u = random.uniform(i);
      if (!h.values.empty())
        out[h.name] = h.values[std::size_t(u * f64(h.values.size()))];
      else
        out[h.name] = h.log ? h.low * std::pow(h.high / h.low, u) : h.low + u * (h.high - h.low);
    }
    return out;
  };
}

/// eval_loss where there is no other metric, else the sum of the others. (default_compute_objective)
inline f64 default_compute_objective(const json& metrics) {
  f64 sum = 0;
  bool any = false;
  for (const auto& [key, value] : metrics.items()) {
    const bool speed = key.ends_with("_runtime") || key.ends_with("_per_second");
    if (!value.is_number() || key == "eval_loss" || key == "epoch" || speed) continue;
    sum += value.get<f64>();
    any = true;
  }
  return any ? sum : require<f64>(metrics, "eval_loss", "metrics");
}

struct HyperparameterSearchOptions {
  bool maximize = false;  // the objective
  std::function<f64(const json& metrics)> compute_objective = default_compute_objective;
};

/// Calls run(arguments) for each suggestion, with output_dir/run-N as its folder, and returns the best. Throws
/// value_error where there is no trial, or a suggestion names no field.
inline BestRun hyperparameter_search(const TrainingArguments& args, const Suggester& suggest,
                                     const std::function<json(const TrainingArguments&)>& run,
                                     const HyperparameterSearchOptions& options = {}) {
  BestRun best;
  while (auto fields = suggest(best.trials)) {
    const std::string id = detail::cat("run-", best.trials.size());
    TrainingArguments a = args;
    parse_json_into(*fields, "hyperparameter_search", a);
    a.output_dir = (std::filesystem::path(args.output_dir) / id).string();
    const f64 objective = options.compute_objective(run(a));
    const bool better = options.maximize ? objective > best.objective : objective < best.objective;
    if (best.trials.empty() || better || std::isnan(best.objective)) {
      best.run_id = id;
      best.objective = objective;
      best.hyperparameters = *fields;
    }
    best.trials.push_back({*std::move(fields), objective});
  }
  if (best.trials.empty()) throw value_error("hyperparameter_search", "trials", "at least one", "none");
  return best;
}

}  // namespace hft
