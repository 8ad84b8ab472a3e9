// What a grammar that was read must hold: wherever it allows bytes they lead on, and its masks are what walking gives.
#pragma once
#include <cstdint>
#include <cstdlib>

#include <hft/grammar/compiled_grammar.hpp>

namespace hft::fuzz {

inline void use(const Grammar& grammar, std::uint32_t seed) {
  TokenTexts vocabulary;
  for (int b = 0; b < 256; ++b) vocabulary.texts.emplace_back(1, char(b));
  for (const char* more : {"ab", "\":", "\",", "{\"", "aaaa", "12", "\xc3\xa9", "\\u"})
    vocabulary.texts.emplace_back(more);
  CompiledGrammar compiled(grammar, vocabulary);
  CompiledGrammar::Session s(compiled);
  auto state = s.start();
  for (int n = 0; n < 24; ++n) {
    const auto allowed = s.allowed(state);
    if (allowed != s.walked(state)) std::abort();
    std::vector<std::int64_t> tokens;
    for (std::size_t id = 0; id < vocabulary.texts.size(); ++id)
      if (allowed[id / 64] >> (id % 64) & 1) tokens.push_back(std::int64_t(id));
    if (tokens.empty()) {
      if (!s.may_end(state)) std::abort();
      return;
    }
    seed = seed * 1664525u + 1013904223u;
    const auto next = s.advance(state, tokens[(seed >> 8) % tokens.size()]);
    if (!next) std::abort();
    state = *next;
  }
}

}  // namespace hft::fuzz
