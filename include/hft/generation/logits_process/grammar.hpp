// GrammarLogitsProcessor: structured output. Each token goes on with a text that a grammar allows, and the text ends
// where the grammar may end.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include <hft/generation/logits_process/processor.hpp>
#include <hft/grammar/compiled_grammar.hpp>
#include <hft/grammar/gbnf.hpp>
#include <hft/linkage.hpp>
#include <hft/tokenizers/token_texts.hpp>
#if HFT_DEFINES(TEXT)
#include <algorithm>
#include <array>
#include <bit>
#include <optional>
#include <utility>
#endif

namespace hft {

/// Rules out every token but those that go on with the new text as a grammar allows; the ends of sequence are allowed
/// where the text is a whole one, and nothing else where no more may follow. Tokens that write nothing and were forced
/// (a beginning of sequence) count as no text.
///
/// It works with any strategy: a row's place in the grammar is a function of its tokens behind the prompt, which is
/// what `begin` says or else what the first call sees. A prompt that is no more than what was written before goes on
/// with it; another one begins anew, as does without `begin` a call that is more than a token longer than any before.
/// Of one object one generation is under way at a time; a CompiledGrammar serves any number of them.
class GrammarLogitsProcessor : public LogitsProcessor {
 public:
  /// Throws value_error without an end of sequence.
  GrammarLogitsProcessor(std::shared_ptr<CompiledGrammar> grammar, std::vector<i64> eos_token_ids);

  /// Throws value_error, naming the text so far, where no token is left: the vocabulary has none that the grammar
  /// allows, or other processors have ruled them out. Of a row that is no text of the grammar, as beams have for which
  /// no continuation was left, all tokens are ruled out.
  void operator()(matrix<const i64> input_ids, matrix<f32> scores) override;

  void begin(isize prompt_length) override { begun_ = prompt_length; }

  const std::shared_ptr<CompiledGrammar>& grammar() const { return grammar_; }

 private:
  // A row's new tokens, and the states before and after each.
  struct path {
    std::vector<i64> prompt, tokens;
    std::vector<CompiledGrammar::State>
        states;         // the first is the grammar's; fewer than tokens allow where they left it
    bool left = false;  // it is no text of the grammar
  };

  void begin_anew(matrix<const i64> input_ids, isize prompt_length);
  bool goes_on(matrix<const i64> input_ids) const;
  void follow(CompiledGrammar::Session& session, path& p, const i64* tokens, std::size_t n, std::size_t row);
  void apply(CompiledGrammar::Session& session, const path& p, f32* scores, std::size_t n) const;
  bool is_eos(i64 id) const { return detail::contains(eos_, id); }

  std::shared_ptr<CompiledGrammar> grammar_;
  std::vector<i64> eos_;
  std::vector<path> rows_, before_;
  isize longest_ = 0, begun_ = -1;  // what begin said and no call has seen
  std::uint64_t epoch_ = 0;
};

#if HFT_DEFINES(TEXT)

HFT_INLINE GrammarLogitsProcessor::GrammarLogitsProcessor(std::shared_ptr<CompiledGrammar> grammar,
                                                          std::vector<i64> eos_token_ids)
    : grammar_(std::move(grammar)), eos_(std::move(eos_token_ids)) {
  if (!grammar_) throw value_error("GrammarLogitsProcessor", "grammar", "one", "null");
  if (eos_.empty()) throw value_error("GrammarLogitsProcessor", "eos_token_ids", "an end of sequence", "none");
}

HFT_INLINE bool GrammarLogitsProcessor::goes_on(matrix<const i64> ids) const {
  if (std::size_t(ids.rows) != rows_.size() || ids.cols > longest_ + 1) return false;
  for (isize r = 0; r < ids.rows; ++r) {
    const auto& prompt = rows_[std::size_t(r)].prompt;
    if (std::size_t(ids.cols) < prompt.size() || !std::equal(prompt.begin(), prompt.end(), ids.row(r))) return false;
    // What begins anew goes on only where all of its prompt was written here, but for the last token.
    const auto& seen = rows_[std::size_t(r)].tokens;
    const isize new_tokens = begun_ - isize(prompt.size());
    if (begun_ >= 0 && (new_tokens < 0 || begun_ > ids.cols || new_tokens > isize(seen.size()) + 1 ||
                        !std::equal(seen.begin(), seen.begin() + std::min(new_tokens, isize(seen.size())),
                                    ids.row(r) + prompt.size())))
      return false;
  }
  return true;
}

HFT_INLINE void GrammarLogitsProcessor::begin_anew(matrix<const i64> ids, isize prompt_length) {
  rows_.assign(std::size_t(ids.rows), {});
  for (isize r = 0; r < ids.rows; ++r) rows_[std::size_t(r)].prompt.assign(ids.row(r), ids.row(r) + prompt_length);
  longest_ = ids.cols;
}

HFT_INLINE void GrammarLogitsProcessor::operator()(matrix<const i64> ids, matrix<f32> scores) {
  const isize prompt_length = begun_ >= 0 && begun_ <= ids.cols ? begun_ : ids.cols;
  if (!goes_on(ids)) begin_anew(ids, prompt_length);
  begun_ = -1;
  longest_ = std::max(longest_, ids.cols);
  CompiledGrammar::Session session(*grammar_);
  if (epoch_ != session.epoch()) {
    epoch_ = session.epoch();
    for (auto& p : rows_) p.tokens.clear(), p.states.clear();
  }
  // Beams change places, so that a row may go on with what another one was. Most do not: only then are all kept.
  bool moved = false;
  const auto new_tokens = [&](isize r) { return ids.row(r) + rows_[std::size_t(r)].prompt.size(); };
  for (isize r = 0; r < ids.rows && !moved; ++r) {
    const auto& p = rows_[std::size_t(r)];
    const std::size_t n = std::min(p.tokens.size(), std::size_t(ids.cols) - p.prompt.size());
    moved = !std::equal(p.tokens.begin(), p.tokens.begin() + std::ptrdiff_t(n), new_tokens(r));
  }
  if (moved && rows_.size() > 1) before_ = rows_;
  for (isize r = 0; r < ids.rows; ++r) {
    path& p = rows_[std::size_t(r)];
    follow(session, p, new_tokens(r), std::size_t(ids.cols) - p.prompt.size(), std::size_t(r));
    apply(session, p, scores.row(r), std::size_t(scores.cols));
  }
  before_.clear();
}

// Brings a path to these tokens, from what it, or another row of the last call, has in common with them.
HFT_INLINE void GrammarLogitsProcessor::follow(CompiledGrammar::Session& session, path& p, const i64* tokens,
                                               std::size_t n, std::size_t row) {
  const auto shared = [&](const path& q) {
    const std::size_t most = std::min(n, q.tokens.size());
    return std::size_t(std::mismatch(tokens, tokens + most, q.tokens.begin()).first - tokens);
  };
  std::size_t same = shared(p);
  for (std::size_t k = 0; k < before_.size() && same + 1 < n; ++k) {
    if (k == row) continue;
    if (const std::size_t other = shared(before_[k]); other > same) {
      same = other;
      p.tokens = before_[k].tokens;
      p.states = before_[k].states;
    }
  }
  p.tokens.assign(tokens, tokens + n);
  if (p.states.empty()) p.states.push_back(session.start());
  p.states.resize(std::min(p.states.size(), same + 1));
  while (p.states.size() <= n) {
    const i64 token = tokens[p.states.size() - 1];
    const auto& texts = grammar_->vocabulary().texts;
    const bool silent = token < 0 || std::size_t(token) >= texts.size() || texts[std::size_t(token)].empty();
    const auto next = silent ? p.states.back() : session.advance(p.states.back(), token);
    if (!next) break;
    p.states.push_back(*next);
  }
  p.left = p.states.size() <= n;
}

HFT_INLINE void GrammarLogitsProcessor::apply(CompiledGrammar::Session& session, const path& p, f32* scores,
                                              std::size_t n) const {
  if (p.left) {
    std::fill(scores, scores + n, filter_value);
    return;
  }
  const auto& state = p.states.back();
  // What has ended goes on with nothing, and its scores are not looked at.
  const bool ended = !p.tokens.empty() && is_eos(p.tokens.back());
  const bool may_end = session.may_end(state) || ended;
  std::vector<std::pair<i64, f32>> ends;
  for (const i64 id : eos_)
    if (id >= 0 && std::size_t(id) < n) ends.emplace_back(id, scores[id]);
  const auto& mask = session.allowed(state);
  bool any = false;
  for (std::size_t w = 0; w * 64 < n; ++w) {
    f32* const of_word = scores + w * 64;
    const std::size_t size = std::min<std::size_t>(64, n - w * 64);
    const std::uint64_t all = size == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << size) - 1;
    const std::uint64_t word = w < mask.size() && !ended ? mask[w] & all : 0;
    // Most words are nearly all ones or nearly all zeros.
    if (std::popcount(word) < 32) {
      std::array<f32, 64> kept;
      for (auto rest = word; rest != 0; rest &= rest - 1)
        kept[std::size_t(std::countr_zero(rest))] = of_word[std::countr_zero(rest)];
      std::fill(of_word, of_word + size, filter_value);
      for (auto rest = word; rest != 0; rest &= rest - 1)
        of_word[std::countr_zero(rest)] = kept[std::size_t(std::countr_zero(rest))];
    } else {
      for (auto rest = ~word & all; rest != 0; rest &= rest - 1) of_word[std::countr_zero(rest)] = filter_value;
    }
    for (auto rest = any ? 0 : word; rest != 0 && !any; rest &= rest - 1)
      any = of_word[std::countr_zero(rest)] > filter_value;
  }
  for (const auto& [id, score] : ends) {
    scores[id] = may_end ? score : filter_value;
    any = any || scores[id] > filter_value;
  }
  if (any || ended) return;
  std::string text;
  for (std::size_t i = 0; i < p.tokens.size(); ++i) {
    const auto& vocabulary = grammar_->vocabulary();
    const auto& texts = p.states[i].first && !vocabulary.first.empty() ? vocabulary.first : vocabulary.texts;
    const i64 token = p.tokens[i];
    if (token >= 0 && std::size_t(token) < texts.size()) text += texts[std::size_t(token)];
  }
  throw value_error(grammar_->where(), detail::joined("the text ", detail::quote_text(text, 1000)),
                    "a token that goes on with it",
                    "none: the vocabulary has no such token, or other processors rule them out");
}

#endif  // HFT_DEFINES

}  // namespace hft
