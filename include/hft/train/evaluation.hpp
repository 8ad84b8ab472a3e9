// What an evaluation gathers: predictions and labels of all batches, as metrics take them.
#pragma once
#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <hft/io/json.hpp>
#include <hft/train/data/batch.hpp>
#include <hft/train/data/dataset.hpp>

namespace hft {

/// What a Trainer evaluates on: one dataset, or several with names, whose metrics then have the name in theirs
/// (eval_NAME_loss).
///   options.eval_dataset = rows;
///   options.eval_dataset = {{"news", news}, {"books", books}};
class EvalDatasets {
 public:
  using named = std::pair<std::string, Dataset>;

  EvalDatasets() = default;
  EvalDatasets(Dataset one) {
    if (one) all_.emplace_back("", std::move(one));
  }
  /// Throws value_error for names that are empty or not distinct.
  EvalDatasets(std::initializer_list<named> several) : EvalDatasets(std::vector<named>(several)) {}
  EvalDatasets(std::vector<named> several) : all_(std::move(several)) {
    for (std::size_t i = 0; i < all_.size(); ++i) {
      const std::string& name = all_[i].first;
      const bool twice =
          std::any_of(all_.begin(), all_.begin() + std::ptrdiff_t(i), [&](const named& n) { return n.first == name; });
      if (name.empty() || twice)
        throw value_error("EvalDatasets", "names", "one for each dataset, all of them different",
                          name.empty() ? "''" : "'" + name + "' twice");
    }
  }

  explicit operator bool() const { return !all_.empty(); }
  /// Whether datasets have names; else there is at most one.
  bool has_names() const { return !all_.empty() && !all_[0].first.empty(); }
  auto begin() const { return all_.begin(); }
  auto end() const { return all_.end(); }

 private:
  std::vector<named> all_;
};

/// What compute_metrics is given. Batches are joined; sequences of different lengths are filled up with -100.
struct EvalPrediction {
  BatchTensor predictions;  // (rows, labels) or (rows, tokens, vocabulary), or what preprocess_logits_for_metrics made
  BatchTensor label_ids;    // (rows, ...)
  BatchTensor inputs;       // input_ids, if include_for_metrics has "inputs"
  std::vector<f64> losses;  // of each batch, if it has "loss"
};

/// transformers.PredictionOutput.
struct PredictionOutput {
  BatchTensor predictions;
  BatchTensor label_ids;
  json metrics;
};

namespace detail {

/// The mean loss over rows: a batch counts by its rows, whatever it has of labels, as in Transformers.
class evaluation_loss {
 public:
  void add(f64 loss, isize rows) { (std::isfinite(loss) ? finite_ : others_).add(loss, rows); }
  /// Of the finite losses alone, if there are any and `filter`. Nothing where no batch had a loss.
  std::optional<f64> mean(bool filter) const {
    if (finite_.rows + others_.rows == 0) return {};
    if (filter && finite_.rows > 0) return finite_.sum / f64(finite_.rows);
    return (finite_.sum + others_.sum) / f64(finite_.rows + others_.rows);
  }

 private:
  struct part {
    f64 sum = 0;
    isize rows = 0;
    void add(f64 loss, isize n) { sum += loss * f64(n), rows += n; }
  };
  part finite_, others_;
};

/// Tensors of batches, one after another.
class batch_concatenation {
 public:
  void add(BatchTensor t) {
    if (!t.shape.empty()) parts_.push_back(std::move(t));
  }
  /// (rows of all, longest second extent, the rest); -100 where a part is shorter.
  BatchTensor take() const {
    BatchTensor out;
    if (parts_.empty()) return out;
    out = parts_[0];
    out.integers.clear();
    out.reals.clear();
    out.shape[0] = 0;
    isize inner = 1;
    for (const auto& p : parts_) {
      out.shape[0] += p.shape[0];
      if (p.shape.size() != out.shape.size() || p.real != out.real)
        throw value_error("Trainer", "predictions", "one rank and type in all batches");
      if (p.shape.size() > 1) out.shape[1] = std::max(out.shape[1], p.shape[1]);
    }
    for (std::size_t d = 2; d < out.shape.size(); ++d) inner *= out.shape[d];
    const isize tokens = out.shape.size() > 1 ? out.shape[1] : 1;
    const auto append = [&](const auto& from, auto& to, const BatchTensor& p) {
      const isize own = p.shape.size() > 1 ? p.shape[1] : 1;
      for (isize row = 0; row < p.shape[0]; ++row) {
        to.insert(to.end(), from.begin() + row * own * inner, from.begin() + (row + 1) * own * inner);
        to.insert(to.end(), std::size_t((tokens - own) * inner), -100);
      }
    };
    for (const auto& p : parts_) {
      if (p.real)
        append(p.reals, out.reals, p);
      else
        append(p.integers, out.integers, p);
    }
    return out;
  }

 private:
  std::vector<BatchTensor> parts_;
};

}  // namespace detail

}  // namespace hft
