// CandidateGenerator: drafts that assisted generation offers to a model. (transformers.CandidateGenerator)
#pragma once
#include <span>
#include <vector>

#include <hft/tensor.hpp>

namespace hft::detail {

/// Tokens that may follow a text, and what they were drawn from.
struct candidates {
  std::vector<i64> tokens{};
  std::vector<f32> scores{};  // (tokens, V), what processors made of a draft model's scores; empty without such a model
};

class candidate_generator {
 public:
  virtual ~candidate_generator() = default;
  /// What may follow the text, `room` tokens at most; none is an answer, too.
  virtual candidates operator()(std::span<const i64> text, isize room) = 0;
  /// How many of the last candidates were taken.
  virtual void update(isize /*offered*/, isize /*taken*/) {}
};

}  // namespace hft::detail
