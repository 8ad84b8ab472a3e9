// What a grammar says of texts, and texts that it makes.
#pragma once
#include <cstdint>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <hft/grammar/automaton.hpp>
#include <hft/grammar/compiled_grammar.hpp>

namespace hft::test {

enum class verdict { no, prefix, whole };  // a text that none of the grammar's begins with; one that does; one of them

inline verdict of(GrammarAutomaton& a, std::string_view text) {
  const auto c = a.advance(a.start(), text);
  return c == GrammarAutomaton::dead ? verdict::no : a.may_end(c) ? verdict::whole : verdict::prefix;
}
inline verdict of(const Grammar& g, std::string_view text) {
  GrammarAutomaton a(g);
  return of(a, text);
}
inline bool accepts(const Grammar& g, std::string_view text) { return of(g, text) == verdict::whole; }

/// A byte-level vocabulary: all bytes, then these.
inline TokenTexts vocabulary(const std::vector<std::string>& more = {}) {
  TokenTexts out;
  for (int b = 0; b < 256; ++b) out.texts.emplace_back(1, char(b));
  out.texts.insert(out.texts.end(), more.begin(), more.end());
  return out;
}

inline std::vector<std::int64_t> tokens_of(const CompiledGrammar::Mask& mask) {
  std::vector<std::int64_t> out;
  for (std::size_t w = 0; w < mask.size(); ++w)
    for (std::size_t i = 0; i < 64; ++i)
      if (mask[w] >> i & 1) out.push_back(std::int64_t(w * 64 + i));
  return out;
}

/// A text that the grammar allows, made of tokens at random: it ends where it may with a likelihood that grows, so that
/// it does end. Each mask is compared with what walking the vocabulary gives; a state without a token, or one that does
/// not lead to an end, throws.
inline std::string random_text(CompiledGrammar& g, std::uint32_t seed, std::size_t most_tokens = 4000) {
  std::mt19937 random(seed);
  CompiledGrammar::Session s(g);
  auto state = s.start();
  std::string text;
  for (std::size_t n = 0;; ++n) {
    const auto allowed = tokens_of(s.allowed(state));
    if (s.walked(state) != s.allowed(state)) throw std::runtime_error("not what walking gives behind " + text);
    if (s.may_end(state) && (allowed.empty() || random() % 64 < n)) return text;
    if (allowed.empty()) throw std::runtime_error("no token behind " + text);
    if (n == most_tokens) throw std::runtime_error("no end behind " + text);
    auto token = allowed[random() % allowed.size()];
    // Once the text is long, one of those that end things soon.
    if (n > 64 && random() % 2) {
      std::vector<std::int64_t> endings;
      for (const auto t : allowed)
        for (const char* ending : {"]", "}", "\"", "\\", "a", "b", "c", "!"})
          if (g.vocabulary().texts[std::size_t(t)] == ending) endings.push_back(t);
      if (!endings.empty()) token = endings[random() % endings.size()];
    }
    const auto next = s.advance(state, token);
    if (!next) throw std::runtime_error("a token of the mask is refused behind " + text);
    state = *next;
    text += g.vocabulary().texts[std::size_t(token)];
  }
}

}  // namespace hft::test
