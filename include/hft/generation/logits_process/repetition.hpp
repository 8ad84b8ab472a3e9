// Processors against (or for) saying the same again, under Transformers' class names.
#pragma once
#include <algorithm>

#include <hft/generation/logits_process/processor.hpp>

namespace hft {

namespace detail {

/// Divides the positive scores of tokens by `penalty` and multiplies the negative ones, each token once.
class token_penalty {
 public:
  void operator()(std::span<const i64> ids, std::span<f32> scores, f32 penalty) {
    const auto known = [&](i64 id) { return id >= 0 && std::size_t(id) < scores.size(); };
    penalised_.resize(ids.size());
    for (std::size_t i = 0; i < ids.size(); ++i)
      if (known(ids[i])) {
        const f32 s = scores[std::size_t(ids[i])];
        penalised_[i] = s < 0 ? s * penalty : s / penalty;
      }
    for (std::size_t i = 0; i < ids.size(); ++i)
      if (known(ids[i])) scores[std::size_t(ids[i])] = penalised_[i];
  }

 private:
  std::vector<f32> penalised_;  // of each of the ids, before any is written
};

/// Rules out every token that follows, in `text`, the last n - 1 tokens of `input_ids`.
inline void rule_out_ngrams(std::span<const i64> text, std::span<const i64> input_ids, std::size_t n,
                            std::span<f32> scores) {
  if (input_ids.size() + 1 < n || text.size() < n) return;
  const auto prefix = input_ids.last(n - 1);
  for (std::size_t i = 0; i + n <= text.size(); ++i)
    if (std::equal(prefix.begin(), prefix.end(), text.begin() + std::ptrdiff_t(i)))
      rule_out(scores, text.subspan(i + n - 1, 1));
}

}  // namespace detail

/// Penalises tokens that stand in the prompt or were generated. (Keskar et al. 2019, CTRL)
///   prompt_ignore_length  tokens at the start of each row that do not count: its padding; empty for none
class RepetitionPenaltyLogitsProcessor final : public RowLogitsProcessor {
 public:
  explicit RepetitionPenaltyLogitsProcessor(f64 penalty, std::vector<isize> prompt_ignore_length = {})
      : penalty_(f32(penalty)), ignored_(std::move(prompt_ignore_length)) {
    if (!(penalty > 0))
      throw value_error("RepetitionPenaltyLogitsProcessor", "penalty", "above 0", detail::joined(penalty));
  }

 private:
  void process(std::span<const i64> input_ids, std::span<f32> scores, isize row) override {
    const std::size_t skip = ignored_.empty() ? 0 : std::size_t(ignored_.at(std::size_t(row)));
    penalise_(input_ids.subspan(std::min(skip, input_ids.size())), scores, penalty_);
  }
  f32 penalty_;
  std::vector<isize> ignored_;
  detail::token_penalty penalise_;
};

/// The ids of prompts as the processors that look back at them keep them.
using PromptIds = std::vector<std::vector<i64>>;

/// Favours tokens that stand in the prompt, against what it does not say.
class EncoderRepetitionPenaltyLogitsProcessor final : public RowLogitsProcessor {
 public:
  /// One prompt for each row, or for each group of as many consecutive rows.
  EncoderRepetitionPenaltyLogitsProcessor(f64 penalty, PromptIds encoder_input_ids, isize rows_per_prompt = 1)
      : penalty_(f32(1 / penalty)), prompts_(std::move(encoder_input_ids)), rows_per_prompt_(rows_per_prompt) {
    if (!(penalty > 0))
      throw value_error("EncoderRepetitionPenaltyLogitsProcessor", "penalty", "above 0", detail::joined(penalty));
  }

 private:
  void process(std::span<const i64>, std::span<f32> scores, isize row) override {
    penalise_(prompts_.at(std::size_t(row / rows_per_prompt_)), scores, penalty_);
  }
  f32 penalty_;
  PromptIds prompts_;
  isize rows_per_prompt_;
  detail::token_penalty penalise_;
};

/// No n-gram is said twice. (Paulus et al. 2017; fairseq)
class NoRepeatNGramLogitsProcessor final : public RowLogitsProcessor {
 public:
  explicit NoRepeatNGramLogitsProcessor(isize ngram_size) : n_(std::size_t(ngram_size)) {
    if (ngram_size < 1)
      throw value_error("NoRepeatNGramLogitsProcessor", "ngram_size", "at least 1", detail::joined(ngram_size));
  }

 private:
  void process(std::span<const i64> input_ids, std::span<f32> scores, isize) override {
    detail::rule_out_ngrams(input_ids, input_ids, n_, scores);
  }
  std::size_t n_;
};

/// No n-gram of the prompt is said.
class EncoderNoRepeatNGramLogitsProcessor final : public RowLogitsProcessor {
 public:
  EncoderNoRepeatNGramLogitsProcessor(isize encoder_ngram_size, PromptIds encoder_input_ids, isize rows_per_prompt = 1)
      : n_(std::size_t(encoder_ngram_size)), prompts_(std::move(encoder_input_ids)), rows_per_prompt_(rows_per_prompt) {
    if (encoder_ngram_size < 1)
      throw value_error("EncoderNoRepeatNGramLogitsProcessor", "encoder_ngram_size", "at least 1",
                        detail::joined(encoder_ngram_size));
  }

 private:
  void process(std::span<const i64> input_ids, std::span<f32> scores, isize row) override {
    detail::rule_out_ngrams(prompts_.at(std::size_t(row / rows_per_prompt_)), input_ids, n_, scores);
  }
  std::size_t n_;
  PromptIds prompts_;
  isize rows_per_prompt_;
};

}  // namespace hft
