// Metrics of classifiers: accuracy and F1, as sklearn.metrics computes them, of labels and for Trainer.
//
//   options.compute_metrics = accuracy;
//   options.compute_metrics = metrics({accuracy, f1(f1_average::macro)});
#pragma once
#include <algorithm>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include <hft/io/json.hpp>
#include <hft/linkage.hpp>
#include <hft/train/evaluation.hpp>

namespace hft {

/// How the F1 of several classes becomes one number. (sklearn.metrics.f1_score, average)
enum class f1_average {
  binary,   // that of pos_label alone, where there are two
  micro,    // of all true positives, false positives and false negatives together
  macro,    // the mean over classes
  weighted  // the mean over classes, each by how often it is true
};

/// The share of labels that are right; 0 of none. Throws shape_error for different numbers of them.
f64 accuracy_score(std::span<const i64> y_true, std::span<const i64> y_pred);
/// 2 tp / (2 tp + fp + fn), 0 where that is 0 / 0; classes are those that are true or predicted. Throws shape_error for
/// different numbers of labels; value_error for a binary one of other labels than pos_label and one more.
f64 f1_score(std::span<const i64> y_true, std::span<const i64> y_pred, f1_average average = f1_average::binary,
             i64 pos_label = 1);

/// The labels of an evaluation that count, those of -100 do not, and the class with the largest logit for each.
struct PredictedLabels {
  std::vector<i64> y_true, y_pred;
};
/// Predictions are logits (rows, classes) or (rows, tokens, classes), or already classes, as many as labels. Throws
/// value_error, shape_error for others.
PredictedLabels predicted_labels(const EvalPrediction& prediction);

using compute_metrics_fn = std::function<json(const EvalPrediction&)>;

/// {"accuracy": ...}
json accuracy(const EvalPrediction& prediction);
/// {"f1": ...}
inline compute_metrics_fn f1(f1_average average = f1_average::binary, i64 pos_label = 1) {
  return [=](const EvalPrediction& prediction) {
    const auto labels = predicted_labels(prediction);
    json out = json::object();
    out["f1"] = f1_score(labels.y_true, labels.y_pred, average, pos_label);
    return out;
  };
}
/// All of them together.
inline compute_metrics_fn metrics(std::vector<compute_metrics_fn> all) {
  return [all = std::move(all)](const EvalPrediction& prediction) {
    json out = json::object();
    for (const auto& f : all) out.update(f(prediction));
    return out;
  };
}

#if HFT_DEFINES(TRAIN)

namespace detail {

inline void check_as_many(std::span<const i64> y_true, std::span<const i64> y_pred) {
  if (y_true.size() != y_pred.size())
    throw shape_error("metrics", "predictions", joined(y_true.size(), ", as many as labels"), joined(y_pred.size()));
}

/// How often a class is found, missed, and taken for another.
struct class_counts {
  i64 label;
  f64 right = 0, predicted = 0, is = 0;
  f64 f1() const { return predicted + is > 0 ? 2 * right / (predicted + is) : 0; }
};

}  // namespace detail

HFT_INLINE f64 accuracy_score(std::span<const i64> y_true, std::span<const i64> y_pred) {
  detail::check_as_many(y_true, y_pred);
  if (y_true.empty()) return 0;
  isize right = 0;
  for (std::size_t i = 0; i < y_true.size(); ++i) right += y_true[i] == y_pred[i];
  return f64(right) / f64(y_true.size());
}

HFT_INLINE f64 f1_score(std::span<const i64> y_true, std::span<const i64> y_pred, f1_average average, i64 pos_label) {
  detail::check_as_many(y_true, y_pred);
  std::vector<detail::class_counts> classes;
  const auto of = [&](i64 label) -> detail::class_counts& {
    for (auto& c : classes)
      if (c.label == label) return c;
    return classes.emplace_back(detail::class_counts{label});
  };
  for (std::size_t i = 0; i < y_true.size(); ++i) {
    of(y_true[i]).is += 1;
    of(y_pred[i]).predicted += 1;
    if (y_true[i] == y_pred[i]) of(y_true[i]).right += 1;
  }
  if (average == f1_average::binary) {
    const auto positive = of(pos_label);
    if (classes.size() > 2)
      throw value_error("f1_score", "binary", detail::joined("labels ", pos_label, " and one more"),
                        detail::joined(classes.size(), " classes: choose macro, micro or weighted"));
    return positive.f1();
  }
  detail::class_counts all{0};
  f64 sum = 0;
  for (const auto& c : classes) {
    all.right += c.right, all.predicted += c.predicted, all.is += c.is;
    sum += c.f1() * (average == f1_average::weighted ? c.is : 1);
  }
  if (average == f1_average::micro) return all.f1();
  const f64 weights = average == f1_average::weighted ? all.is : f64(classes.size());
  return weights > 0 ? sum / weights : 0;
}

HFT_INLINE PredictedLabels predicted_labels(const EvalPrediction& prediction) {
  const BatchTensor &p = prediction.predictions, &l = prediction.label_ids;
  if (l.real) throw value_error("metrics", "labels", "classes", "real values");
  const isize n = l.size(), classes = p.real && !p.shape.empty() ? p.shape.back() : 1;
  if (p.size() != n * classes || classes < 1)
    throw shape_error("metrics", "predictions", detail::joined("logits or a class for each of ", n, " labels"),
                      detail::shape_text(p.shape));
  PredictedLabels out;
  for (isize i = 0; i < n; ++i) {
    const i64 label = l.integers[std::size_t(i)];
    if (label == -100) continue;
    out.y_true.push_back(label);
    const auto row = p.reals.begin() + (p.real ? i * classes : 0);
    out.y_pred.push_back(p.real ? std::max_element(row, row + classes) - row : p.integers[std::size_t(i)]);
  }
  return out;
}

HFT_INLINE json accuracy(const EvalPrediction& prediction) {
  const auto labels = predicted_labels(prediction);
  json out = json::object();
  out["accuracy"] = accuracy_score(labels.y_true, labels.y_pred);
  return out;
}

#endif  // HFT_DEFINES

}  // namespace hft
