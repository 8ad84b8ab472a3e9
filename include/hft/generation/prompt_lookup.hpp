// Prompt lookup: what followed the last tokens where they stood before is what may follow now. It costs no model, and
// is often right where an answer repeats what it was given. (transformers.PromptLookupCandidateGenerator, which looks
// from the beginning on; here it is the last place that counts, and what repeats itself goes on)
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
      for (isize from = T - n - 1; from >= 0; --from) {
        if (!std::equal(last.begin(), last.end(), text.begin() + from)) continue;
        std::vector<i64> tokens;
        for (isize i = 0; i < std::min(most_, room); ++i) {
          const isize at = from + n + i;
          tokens.push_back(at < T ? text[std::size_t(at)] : tokens[std::size_t(at - T)]);
        }
        tokens.resize(std::size_t(allowed(text, tokens)));
        if (!tokens.empty()) return {ended(std::move(tokens))};
      }
    }
    return {};
  }

 private:
  /// How many of the tokens, behind the text, no processor rules out.
  isize allowed(std::span<const i64> text, const std::vector<i64>& tokens) {
    if (processors_.empty()) return isize(tokens.size());
    std::vector<i64> said(text.begin(), text.end());
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      std::vector<f32> scores(std::size_t(vocab_size_), 1.f);
      const isize T = isize(said.size());
      apply(processors_, {said.data(), 1, T, T}, {scores.data(), 1, vocab_size_, vocab_size_});
      const i64 token = tokens[i];
      if (token < 0 || token >= vocab_size_ || scores[std::size_t(token)] == filter_value) return isize(i);
      said.push_back(token);
    }
    return isize(tokens.size());
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
