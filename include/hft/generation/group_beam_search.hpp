// Group beam search: the beams of a prompt in num_beam_groups, of which each is held off the tokens that those before
// it chose at the same place. Including this header is what makes generate know it.
//
//   generate(model, input_ids, {.num_beams = 4, .num_return_sequences = 4, .num_beam_groups = 2,
//                               .diversity_penalty = 0.5});
//
// (Vijayakumar et al. 2018, arXiv 1610.02424; GenerationMixin._group_beam_search of Transformers 4.53.3)
#pragma once
#include <algorithm>
#include <span>
#include <vector>

#include <hft/generation/generate_options.hpp>
#include <hft/generation/strategy.hpp>
#include <hft/linkage.hpp>
#if HFT_DEFINES(MODELS)
#include <hft/generation/beam_scorer.hpp>
#endif

namespace hft {

namespace detail {

/// Throws value_error unless num_beams is a multiple of num_beam_groups, do_sample is false and diversity_penalty above
/// 0. Processors are given the rows of one group of all prompts at a time.
GenerateOutput group_beam_search(generation_loop& loop);

inline const bool has_group_beam_search = (strategies::group_beam_search = group_beam_search, true);

}  // namespace detail

#if HFT_DEFINES(MODELS)

/// Takes diversity_penalty from the score of a token once for each beam of earlier groups of its prompt that chose it
/// at this place. (transformers.HammingDiversityLogitsProcessor)
class HammingDiversityLogitsProcessor final : public LogitsProcessor {
 public:
  HammingDiversityLogitsProcessor(f64 diversity_penalty, isize num_beams, isize num_beam_groups)
      : penalty_(f32(diversity_penalty)), beams_(num_beams), size_(num_beams / num_beam_groups) {}

  /// Whose scores come next, and what those before it chose: current_tokens (B * num_beams), which is kept by
  /// reference.
  void begin_group(std::span<const i64> current_tokens, isize beam_group_idx) {
    tokens_ = current_tokens;
    group_ = beam_group_idx;
  }
  void operator()(matrix<const i64>, matrix<f32> scores) override {
    for (isize row = 0; row < scores.rows; ++row)
      for (const i64 token : tokens_.subspan(std::size_t(row / size_ * beams_), std::size_t(group_ * size_)))
        if (token < scores.cols) scores.row(row)[token] -= penalty_;
  }

 private:
  f32 penalty_;
  isize beams_, size_, group_ = 0;
  std::span<const i64> tokens_;
};

namespace detail {

class group_beams final : public beam_scorer {
 public:
  explicit group_beams(generation_loop& loop) : beam_scorer(loop, *loop.config.num_beam_groups) {}

 private:
  void begin(isize vocabulary) override {
    beam_scorer::begin(vocabulary);
    diversity_ = std::make_shared<HammingDiversityLogitsProcessor>(*loop_.config.diversity_penalty, beams_, groups_);
    auto& all = loop_.processors;
    all.insert(all.begin() + (loop_.config.sequence_bias.empty() ? 0 : 1), diversity_);
  }
  // Of one prompt a group's rows lie together; of several they are brought together.
  void process(isize group, matrix<f32> scores) override {
    const auto ids = loop_.inputs.ids.view();
    const isize V = scores.cols, T = ids.cols, n = prompts_ * size_;
    ids_.resize(std::size_t(n * T));
    scores_.resize(std::size_t(n * V));
    const auto row = [&](isize i) { return first_row(i / size_, group) + i % size_; };
    for (isize i = 0; i < n; ++i) {
      std::copy_n(ids.row(row(i)), T, ids_.data() + i * T);
      std::copy_n(scores.row(row(i)), V, scores_.data() + i * V);
    }
    diversity_->begin_group(tokens_, group);
    apply(loop_.processors, {ids_.data(), n, T, T}, {scores_.data(), n, V, V});
    for (isize i = 0; i < n; ++i) std::copy_n(scores_.data() + i * V, V, scores.row(row(i)));
  }

  std::shared_ptr<HammingDiversityLogitsProcessor> diversity_;
  std::vector<i64> ids_;
  std::vector<f32> scores_;
};

HFT_INLINE_ONCE GenerateOutput group_beam_search(generation_loop& loop) {
  const isize beams = *loop.config.num_beams, groups = *loop.config.num_beam_groups;
  const f64 penalty = loop.config.diversity_penalty.value_or(0);
  if (beams % groups != 0)
    throw value_error("generate", "num_beam_groups", joined("a divisor of num_beams = ", beams), joined(groups));
  if (*loop.config.do_sample)
    throw value_error("generate", "num_beam_groups", "1 beside do_sample = true", joined(groups));
  if (!(penalty > 0 && penalty <= std::numeric_limits<f64>::max()))
    throw value_error("generate", "diversity_penalty",
                      joined("above 0 beside num_beam_groups = ", groups, ", which would else be alike"),
                      joined(penalty));
  return group_beams(loop)();
}

}  // namespace detail

#endif  // HFT_DEFINES

}  // namespace hft
