// What an evaluation gathers: predictions and labels of all batches, as metrics take them.
#pragma once
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <hft/io/json.hpp>
#include <hft/train/data/batch.hpp>

namespace hft {

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
