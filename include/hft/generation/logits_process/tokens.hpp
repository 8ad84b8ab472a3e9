// Processors that rule out, force or favour given tokens, and those that bound the length by them, under Transformers'
// class names.
#pragma once
#include <algorithm>
#include <functional>
#include <map>

#include <hft/generation/logits_process/processor.hpp>
#include <hft/generation/sampling.hpp>

namespace hft {

/// Adds a bias to the token that completes a sequence. The bias of a sequence given twice is that given last.
class SequenceBiasLogitsProcessor : public RowLogitsProcessor {
 public:
  using Biases = std::map<std::vector<i64>, f64>;  // by sequence
  explicit SequenceBiasLogitsProcessor(Biases sequence_bias) : biases_(std::move(sequence_bias)) {
    for (const auto& [ids, bias] : biases_)
      if (ids.empty() || *std::min_element(ids.begin(), ids.end()) < 0 || bias != bias)
        throw value_error("SequenceBiasLogitsProcessor", "sequence_bias",
                          "sequences of token ids of at least 0, and numbers");
  }

 private:
  void process(std::span<const i64> input_ids, std::span<f32> scores, isize) override {
    for (const auto& [ids, bias] : biases_) {
      for (const i64 id : ids)
        if (std::size_t(id) >= scores.size())
          throw value_error("SequenceBiasLogitsProcessor", "token id", detail::joined("0 <= id < ", scores.size()),
                            detail::joined(id));
      const std::size_t before = ids.size() - 1;
      if (before <= input_ids.size() &&
          std::equal(ids.begin(), ids.end() - 1, input_ids.end() - std::ptrdiff_t(before)))
        scores[std::size_t(ids.back())] += f32(bias);
    }
  }
  Biases biases_;
};

/// Sequences that are not said. An end-of-sequence token alone is left out of them.
class NoBadWordsLogitsProcessor final : public SequenceBiasLogitsProcessor {
 public:
  NoBadWordsLogitsProcessor(const std::vector<std::vector<i64>>& bad_words_ids, std::span<const i64> eos_token_id)
      : SequenceBiasLogitsProcessor(biases(bad_words_ids, eos_token_id)) {}

 private:
  static Biases biases(const std::vector<std::vector<i64>>& words, std::span<const i64> eos) {
    Biases out;
    for (const auto& word : words)
      if (word.size() != 1 || std::find(eos.begin(), eos.end(), word[0]) == eos.end())
        out[word] = -std::numeric_limits<f64>::infinity();
    return out;
  }
};

/// Tokens that are never said.
class SuppressTokensLogitsProcessor final : public RowLogitsProcessor {
 public:
  explicit SuppressTokensLogitsProcessor(std::vector<i64> suppress_tokens) : ids_(std::move(suppress_tokens)) {}

 private:
  void process(std::span<const i64>, std::span<f32> scores, isize) override { detail::rule_out(scores, ids_); }
  std::vector<i64> ids_;
};

/// Tokens that are not said first: where a row is begin_index tokens long.
class SuppressTokensAtBeginLogitsProcessor final : public RowLogitsProcessor {
 public:
  SuppressTokensAtBeginLogitsProcessor(std::vector<i64> begin_suppress_tokens, isize begin_index)
      : ids_(std::move(begin_suppress_tokens)), begin_(begin_index) {}

 private:
  void process(std::span<const i64> input_ids, std::span<f32> scores, isize) override {
    if (isize(input_ids.size()) == begin_) detail::rule_out(scores, ids_);
  }
  std::vector<i64> ids_;
  isize begin_;
};

/// No end before a row is min_length tokens long, the prompt included.
class MinLengthLogitsProcessor final : public RowLogitsProcessor {
 public:
  MinLengthLogitsProcessor(isize min_length, std::vector<i64> eos_token_id)
      : length_(min_length), eos_(std::move(eos_token_id)) {}

 private:
  void process(std::span<const i64> input_ids, std::span<f32> scores, isize) override {
    if (isize(input_ids.size()) < length_) detail::rule_out(scores, eos_);
  }
  isize length_;
  std::vector<i64> eos_;
};

/// No end before min_new_tokens tokens after the prompt.
class MinNewTokensLengthLogitsProcessor final : public RowLogitsProcessor {
 public:
  MinNewTokensLengthLogitsProcessor(isize prompt_length_to_skip, isize min_new_tokens, std::vector<i64> eos_token_id)
      : length_(prompt_length_to_skip + min_new_tokens), eos_(std::move(eos_token_id)) {}

 private:
  void process(std::span<const i64> input_ids, std::span<f32> scores, isize) override {
    if (isize(input_ids.size()) < length_) detail::rule_out(scores, eos_);
  }
  isize length_;
  std::vector<i64> eos_;
};

/// The second token of all, after a prompt of one.
class ForcedBOSTokenLogitsProcessor final : public RowLogitsProcessor {
 public:
  explicit ForcedBOSTokenLogitsProcessor(i64 bos_token_id) : bos_(bos_token_id) {}

 private:
  void process(std::span<const i64> input_ids, std::span<f32> scores, isize) override {
    if (input_ids.size() == 1) detail::force("ForcedBOSTokenLogitsProcessor", scores, {&bos_, 1});
  }
  i64 bos_;
};

/// One of these is the last token where max_length is reached.
class ForcedEOSTokenLogitsProcessor final : public RowLogitsProcessor {
 public:
  ForcedEOSTokenLogitsProcessor(isize max_length, std::vector<i64> eos_token_id)
      : length_(max_length), eos_(std::move(eos_token_id)) {}

 private:
  void process(std::span<const i64> input_ids, std::span<f32> scores, isize) override {
    if (isize(input_ids.size()) == length_ - 1) detail::force("ForcedEOSTokenLogitsProcessor", scores, eos_);
  }
  isize length_;
  std::vector<i64> eos_;
};

/// Makes the end more likely with every token after `start` new ones: score + |score| (factor^n - 1).
class ExponentialDecayLengthPenalty final : public RowLogitsProcessor {
 public:
  ExponentialDecayLengthPenalty(isize start, f64 factor, std::vector<i64> eos_token_id, isize input_ids_seq_length)
      : start_(start + input_ids_seq_length), factor_(factor), eos_(std::move(eos_token_id)) {}

 private:
  void process(std::span<const i64> input_ids, std::span<f32> scores, isize) override {
    const isize n = isize(input_ids.size()) - start_;
    if (n <= 0) return;
    const f64 growth = std::pow(factor_, f64(n)) - 1;
    for (const i64 id : eos_)
      if (std::size_t(id) < scores.size() && std::isfinite(scores[std::size_t(id)]))
        scores[std::size_t(id)] += f32(f64(std::abs(scores[std::size_t(id)])) * growth);
  }
  isize start_;
  f64 factor_;
  std::vector<i64> eos_;
};

/// Only tokens that a function allows after what a row says so far. (De Cao et al. 2020)
///   prefix_allowed_tokens_fn  takes the number of the prompt and the row's ids
class PrefixConstrainedLogitsProcessor final : public LogitsProcessor {
 public:
  using function = std::function<std::vector<i64>(isize, std::span<const i64>)>;
  PrefixConstrainedLogitsProcessor(function prefix_allowed_tokens_fn, isize rows_per_prompt = 1)
      : allowed_(std::move(prefix_allowed_tokens_fn)), rows_per_prompt_(rows_per_prompt) {}

  /// Throws value_error where the function allows none, or one outside the vocabulary.
  void operator()(matrix<const i64> input_ids, matrix<f32> scores) override {
    for (isize first = 0; first < scores.rows; first += rows_per_prompt_) {
      std::vector<std::vector<i64>> allowed;
      bool satisfiable = false;
      for (isize row = first; row < first + rows_per_prompt_; ++row) {
        allowed.push_back(allowed_(first / rows_per_prompt_, {input_ids.row(row), std::size_t(input_ids.cols)}));
        if (allowed.back().empty())
          throw value_error("PrefixConstrainedLogitsProcessor", "prefix_allowed_tokens_fn", "at least one token",
                            detail::joined("none for prompt ", first / rows_per_prompt_));
        for (const i64 id : allowed.back()) {
          if (id < 0 || id >= scores.cols)
            throw value_error("PrefixConstrainedLogitsProcessor", "token id", detail::joined("0 <= id < ", scores.cols),
                              detail::joined(id));
          satisfiable = satisfiable || scores.row(row)[id] > filter_value;
        }
      }
      // Where all that is allowed is already ruled out, the constraint holds nevertheless: with scores of 0.
      for (isize row = first; row < first + rows_per_prompt_; ++row) {
        const auto& ids = allowed[std::size_t(row - first)];
        kept_.clear();
        for (const i64 id : ids) kept_.push_back(satisfiable ? scores.row(row)[id] : 0);
        std::fill_n(scores.row(row), scores.cols, filter_value);
        for (std::size_t i = 0; i < ids.size(); ++i) scores.row(row)[ids[i]] = kept_[i];
      }
    }
  }

 private:
  function allowed_;
  isize rows_per_prompt_;
  std::vector<f32> kept_;
};

/// Replaces NaN by 0 and infinities by the largest and smallest finite number.
class InfNanRemoveLogitsProcessor final : public RowLogitsProcessor {
  void process(std::span<const i64>, std::span<f32> scores, isize) override {
    constexpr f32 largest = std::numeric_limits<f32>::max();
    for (f32& s : scores) s = s != s ? 0 : std::clamp(s, -largest, largest);
  }
};

/// Makes the scores logarithms of probabilities.
class LogitNormalization final : public RowLogitsProcessor {
  void process(std::span<const i64>, std::span<f32> scores, isize) override {
    const f64 norm = detail::log_sum_exp(scores);
    for (f32& s : scores) s = f32(f64(s) - norm);
  }
};

}  // namespace hft
