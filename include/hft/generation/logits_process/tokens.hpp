// Processors that rule out, force or favour given tokens, and those that bound the length by them, under Transformers'
// class names.
#pragma once
#include <algorithm>
#include <functional>

#include <hft/generation/logits_process/processor.hpp>
#include <hft/generation/sampling.hpp>
#include <hft/io/sorting.hpp>
#include <hft/models/generation_config.hpp>

namespace hft {

/// Adds a bias to the token that completes a sequence. The bias of a sequence given twice is that given last.
class SequenceBiasLogitsProcessor : public RowLogitsProcessor {
 public:
  using Biases = std::vector<SequenceBias>;
  explicit SequenceBiasLogitsProcessor(Biases sequence_bias) : biases_(std::move(sequence_bias)) {
    for (const auto& [ids, bias] : biases_) {
      bool valid = !ids.empty() && bias == bias;
      for (const i64 id : ids) valid = valid && id >= 0;
      if (!valid)
        throw value_error("SequenceBiasLogitsProcessor", "sequence_bias",
                          "sequences of token ids of at least 0, and numbers");
    }
    const auto less = [&](std::size_t a, std::size_t b) { return biases_[a].token_ids < biases_[b].token_ids; };
    order_ = detail::sorted_positions(biases_.size(), less);
    std::size_t n = 0;
    for (const std::size_t i : order_) {
      if (n > 0 && biases_[order_[n - 1]].token_ids == biases_[i].token_ids) --n;
      order_[n++] = i;
    }
    order_.erase(order_.begin() + std::ptrdiff_t(n), order_.end());
  }

 private:
  void process(std::span<const i64> input_ids, std::span<f32> scores, isize) override {
    for (const std::size_t i : order_) {
      const auto& [ids, bias] = biases_[i];
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
  std::vector<std::size_t> order_;  // of the sequences, each once, so that sums do not depend on how they were given
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
      if (word.size() != 1 || !detail::contains(eos, word[0]))
        out.push_back({word, -std::numeric_limits<f64>::infinity()});
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
class MinLengthLogitsProcessor : public RowLogitsProcessor {
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
class MinNewTokensLengthLogitsProcessor final : public MinLengthLogitsProcessor {
 public:
  MinNewTokensLengthLogitsProcessor(isize prompt_length_to_skip, isize min_new_tokens, std::vector<i64> eos_token_id)
      : MinLengthLogitsProcessor(prompt_length_to_skip + min_new_tokens, std::move(eos_token_id)) {}
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
    for (std::size_t i = 0; i < eos_.size(); ++i) {
      const auto id = std::size_t(eos_[i]);
      if (id >= scores.size() || detail::contains({eos_.data(), i}, eos_[i])) continue;  // one given twice grows once
      if (std::isfinite(scores[id])) scores[id] += f32(f64(std::abs(scores[id])) * growth);
    }
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
      : function_(std::move(prefix_allowed_tokens_fn)), rows_per_prompt_(rows_per_prompt) {}

  /// Throws value_error where the function allows none, or one outside the vocabulary.
  void operator()(matrix<const i64> input_ids, matrix<f32> scores) override {
    const isize V = scores.cols;
    for (isize first = 0; first < scores.rows; first += rows_per_prompt_) {
      const isize prompt = first / rows_per_prompt_;
      allowed_.clear();
      bool satisfiable = false;
      for (isize row = first; row < first + rows_per_prompt_; ++row) {
        const auto ids = function_(prompt, {input_ids.row(row), std::size_t(input_ids.cols)});
        if (ids.empty())
          throw value_error("PrefixConstrainedLogitsProcessor", "prefix_allowed_tokens_fn", "at least one token",
                            detail::joined("none for prompt ", prompt));
        for (const i64 id : ids) {
          if (id < 0 || id >= V)
            throw value_error("PrefixConstrainedLogitsProcessor", "token id", detail::joined("0 <= id < ", V),
                              detail::joined(id));
          allowed_.push_back({scores.row(row)[id], row * V + id});
          satisfiable = satisfiable || scores.row(row)[id] > filter_value;
        }
      }
      for (isize row = first; row < first + rows_per_prompt_; ++row) std::fill_n(scores.row(row), V, filter_value);
      // Where all that is allowed is already ruled out, the constraint holds nevertheless: with scores of 0.
      for (const auto& [score, at] : allowed_) scores.row(at / V)[at % V] = satisfiable ? score : 0;
    }
  }

 private:
  function function_;
  isize rows_per_prompt_;
  std::vector<detail::candidate> allowed_;  // for one prompt, as row * V + id
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
  void process(std::span<const i64>, std::span<f32> scores, isize) override { detail::to_log_probabilities(scores); }
};

}  // namespace hft
