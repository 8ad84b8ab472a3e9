// Prompt lookup: what followed the last tokens where they stood before is what may follow now. It costs no model, and
// is often right where an answer repeats what it was given. (transformers.PromptLookupCandidateGenerator)
#pragma once
#include <algorithm>

#include <hft/error.hpp>
#include <hft/generation/candidate_generator.hpp>
#include <hft/generation/logits_process/processor.hpp>
#include <hft/models/generation_config.hpp>

namespace hft::detail {

class prompt_lookup final : public candidate_generator {
 public:
  /// processors: what they rule out is not offered. Throws value_error for sizes below 1.
  prompt_lookup(const GenerationConfig& config, const LogitsProcessorList& processors, isize vocab_size)
      : most_(*config.prompt_lookup_num_tokens),
        ngram_(config.max_matching_ngram_size.value_or(2)),
        eos_(config.eos_token_id->ids),
        processors_(processors),
        vocab_size_(vocab_size) {
    if (ngram_ < 1) throw value_error("generate", "max_matching_ngram_size", "at least 1", joined(ngram_));
  }

  candidates operator()(std::span<const i64> text, isize room) override {
    const isize T = isize(text.size());
    if (room < 1) return {};
    for (isize n = std::min(ngram_, T - 1); n > 0; --n) {
      const auto last = text.last(std::size_t(n));
      for (isize from = 0; from + n < T; ++from) {
        if (!std::equal(last.begin(), last.end(), text.begin() + from)) continue;
        const isize begin = from + n, end = std::min(begin + std::min(most_, room), T);
        const isize count = allowed(text, begin, end);
        if (count == 0) continue;
        return {ended({text.begin() + begin, text.begin() + begin + count})};
      }
    }
    return {};
  }

 private:
  /// How many of the tokens from `begin` to `end`, said again, no processor rules out.
  isize allowed(std::span<const i64> text, isize begin, isize end) {
    if (processors_.empty()) return end - begin;
    std::vector<i64> said(text.begin(), text.end());
    for (isize i = begin; i < end; ++i) {
      std::vector<f32> scores(std::size_t(vocab_size_), 1.f);
      const isize T = isize(said.size());
      apply(processors_, {said.data(), 1, T, T}, {scores.data(), 1, vocab_size_, vocab_size_});
      const i64 token = text[std::size_t(i)];
      if (token < 0 || token >= vocab_size_ || scores[std::size_t(token)] == filter_value) return i - begin;
      said.push_back(token);
    }
    return end - begin;
  }
  /// Without an end and what follows it.
  std::vector<i64> ended(std::vector<i64> tokens) const {
    const auto end = std::find_if(tokens.begin(), tokens.end(), [&](i64 id) { return contains(eos_, id); });
    tokens.erase(end, tokens.end());
    return tokens;
  }

  isize most_, ngram_;
  std::vector<i64> eos_;
  const LogitsProcessorList& processors_;
  isize vocab_size_;
};

}  // namespace hft::detail
