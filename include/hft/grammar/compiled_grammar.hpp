// CompiledGrammar: a grammar over the tokens of a vocabulary.
#pragma once
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/grammar/automaton.hpp>
#include <hft/grammar/grammar.hpp>
#include <hft/grammar/token_masks.hpp>
#include <hft/linkage.hpp>
#if HFT_DEFINES(TEXT)
#include <algorithm>
#include <array>
#include <string_view>

#include <hft/io/utf8.hpp>
#endif

namespace hft {

/// What the tokens of a vocabulary write, in bytes; nothing for those that no grammar allows, as special ones.
struct TokenTexts {
  std::vector<std::string> texts;
  /// The same for the first token of a text, where that is another (WordPiece); empty where it is not.
  std::vector<std::string> first{};
};

/// Which tokens may follow which. What it found out is kept for all who use it, from any number of threads.
class CompiledGrammar {
 public:
  /// Where a text stands. States of a grammar are valid as long as it says (`epoch`).
  struct State {
    GrammarAutomaton::Configuration configuration = GrammarAutomaton::dead;
    bool first = true;  // nothing was written yet

    friend bool operator==(const State&, const State&) = default;
  };
  using Mask = grammars::TokenMasks::Mask;

  /// Throws what GrammarAutomaton does; characters that the vocabulary cannot write are left out of the grammar, and
  /// where it then has no text, that is a value_error.
  CompiledGrammar(const Grammar& grammar, TokenTexts vocabulary);

  /// Holds the grammar for one thread, while it is asked.
  class Session {
   public:
    explicit Session(CompiledGrammar& grammar) : grammar_(grammar), lock_(grammar.mutex_) { grammar.keep_small(); }

    /// Changes where all states are invalid, and have to be made again from their tokens: it does so seldom, to let
    /// memory go.
    std::uint64_t epoch() const { return grammar_.epoch_; }
    State start() const { return {grammar_.automaton_.start(), true}; }
    /// The state after a token; nothing where the grammar does not allow it.
    std::optional<State> advance(const State& s, std::int64_t token);
    /// One bit for each token that may follow, valid until the next call.
    const Mask& allowed(const State& s) {
      return (s.first && grammar_.first_masks_ ? *grammar_.first_masks_ : grammar_.masks_)(grammar_.automaton_,
                                                                                           s.configuration);
    }
    /// The same, slowly: what `allowed` must be.
    Mask walked(const State& s) {
      return (s.first && grammar_.first_masks_ ? *grammar_.first_masks_ : grammar_.masks_)
          .walked(grammar_.automaton_, s.configuration);
    }
    bool may_end(const State& s) const { return grammar_.automaton_.may_end(s.configuration); }

   private:
    CompiledGrammar& grammar_;
    std::lock_guard<std::mutex> lock_;
  };

  const TokenTexts& vocabulary() const { return vocabulary_; }
  const std::string& where() const { return where_; }

 private:
  static constexpr std::size_t most_kept = std::size_t{1} << 22;

  void keep_small() {
    if (automaton_.size() < most_kept) return;
    automaton_.forget();
    masks_.forget();
    if (first_masks_) first_masks_->forget();
    ++epoch_;
  }
  static TokenTexts usable(TokenTexts vocabulary, bool bytes);
  static bool writes_all_bytes(const TokenTexts& vocabulary);
  static std::optional<CodePoints> writable(const TokenTexts& vocabulary, bool bytes);

  std::mutex mutex_;
  std::string where_;
  TokenTexts vocabulary_;
  GrammarAutomaton automaton_;
  grammars::TokenMasks masks_;
  std::optional<grammars::TokenMasks> first_masks_;
  std::uint64_t epoch_ = 0;
};

#if HFT_DEFINES(TEXT)

HFT_INLINE CompiledGrammar::CompiledGrammar(const Grammar& grammar, TokenTexts vocabulary)
    : where_(grammar.where()),
      vocabulary_(usable(std::move(vocabulary), writes_all_bytes(vocabulary))),
      automaton_([&] {
        const auto characters = writable(vocabulary_, writes_all_bytes(vocabulary_));
        return GrammarAutomaton(grammar, characters ? &*characters : nullptr);
      }()),
      masks_(grammars::TokenTrie(vocabulary_.texts), vocabulary_.texts.size()) {
  if (!vocabulary_.first.empty())
    first_masks_.emplace(grammars::TokenTrie(vocabulary_.first), vocabulary_.first.size());
  Session s(*this);
  bool any = s.may_end(s.start());
  for (const auto word : s.allowed(s.start())) any = any || word != 0;
  if (!any) throw value_error(where_, "grammar", "a first token that it allows", "none");
}

namespace grammars {

/// Whether a text ends within a character.
inline bool ends_within_character(std::string_view text) {
  std::size_t i = text.size(), more = 0;
  while (i > 0 && more < 3 && (static_cast<unsigned char>(text[i - 1]) & 0xc0) == 0x80) --i, ++more;
  if (i == 0) return false;
  const auto lead = static_cast<unsigned char>(text[i - 1]);
  return lead >= 0xc2 && more < std::size_t(lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1);
}

}  // namespace grammars

// Whether the bytes behind a character's first are tokens, so that whatever ends within a character can go on.
HFT_INLINE bool CompiledGrammar::writes_all_bytes(const TokenTexts& vocabulary) {
  std::array<bool, 256> has{};
  for (const auto& t : vocabulary.texts)
    if (t.size() == 1) has[static_cast<unsigned char>(t[0])] = true;
  for (std::size_t b = 0x80; b < 0xc0; ++b)
    if (!has[b]) return false;
  return true;
}

HFT_INLINE TokenTexts CompiledGrammar::usable(TokenTexts vocabulary, bool bytes) {
  if (!bytes)
    for (auto* texts : {&vocabulary.texts, &vocabulary.first})
      for (auto& t : *texts)
        if (grammars::ends_within_character(t)) t.clear();
  return vocabulary;
}

// The characters that can be written one by one wherever a text stands, which is what makes sure that a text can be
// completed. A vocabulary that lacks even letters and digits writes words, and is taken as it is.
HFT_INLINE std::optional<CodePoints> CompiledGrammar::writable(const TokenTexts& vocabulary, bool bytes) {
  CodePoints out;
  std::vector<char32_t> characters;
  for (const auto& t : vocabulary.texts) {
    if (t.empty() || t.size() > 4) continue;
    const auto lead = static_cast<unsigned char>(t[0]);
    const std::size_t length = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 0;
    if (length == t.size() && detail::valid_utf8(t)) {
      char32_t c = length == 1 ? lead : lead & (0x7fu >> length);
      for (std::size_t i = 1; i < length; ++i) c = c << 6 | (static_cast<unsigned char>(t[i]) & 0x3fu);
      characters.push_back(c);
    } else if (bytes && t.size() == 1 && lead >= 0xc2 && lead <= 0xf4) {
      if (length == 2) out.add((lead & 0x1fu) << 6, (lead & 0x1fu) << 6 | 0x3f);
      if (length == 3) out.add(std::max(0x800u, (lead & 0x0fu) << 12), (lead & 0x0fu) << 12 | 0xfff);
      if (length == 4) out.add(std::max(0x10000u, (lead & 0x07u) << 18), (lead & 0x07u) << 18 | 0x3ffff);
    }
  }
  std::sort(characters.begin(), characters.end());
  for (const char32_t c : characters) out.add(c);
  for (char32_t c = '0'; c <= 'z'; ++c)
    if ((c <= '9' || c >= 'a') && !out.contains(c)) return {};
  return out;
}

HFT_INLINE std::optional<CompiledGrammar::State> CompiledGrammar::Session::advance(const State& s, std::int64_t token) {
  const auto& texts =
      s.first && !grammar_.vocabulary_.first.empty() ? grammar_.vocabulary_.first : grammar_.vocabulary_.texts;
  if (token < 0 || std::size_t(token) >= texts.size() || texts[std::size_t(token)].empty()) return {};
  const auto next = grammar_.automaton_.advance(s.configuration, texts[std::size_t(token)]);
  if (next == GrammarAutomaton::dead) return {};
  return State{next, false};
}

#endif  // HFT_DEFINES

}  // namespace hft
