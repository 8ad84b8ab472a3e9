// ConfidenceCriteria: an end where the model is in doubt.
#pragma once
#include <span>

#include <hft/error.hpp>
#include <hft/generation/sampling.hpp>
#include <hft/generation/stopping_criteria.hpp>

namespace hft {

/// After a token whose probability is below a threshold, as drafts end with assistant_confidence_threshold.
/// (transformers.ConfidenceCriteria)
class ConfidenceCriteria final : public StoppingCriteria {
 public:
  explicit ConfidenceCriteria(f64 assistant_confidence_threshold) : threshold_(assistant_confidence_threshold) {}

  /// Throws value_error: the scores are what it looks at.
  bool operator()(std::span<const i64> input_ids) override { return with_scores(input_ids, {}); }
  /// Throws value_error where the scores have no last token.
  bool with_scores(std::span<const i64> input_ids, std::span<const f32> scores) override {
    if (input_ids.empty() || input_ids.back() < 0 || std::size_t(input_ids.back()) >= scores.size())
      throw value_error("ConfidenceCriteria", "scores", "those that the last token was chosen from",
                        detail::joined(scores.size(), " scores"));
    return detail::token_probability(scores, input_ids.back()) < threshold_;
  }

 private:
  f64 threshold_;
};

}  // namespace hft
