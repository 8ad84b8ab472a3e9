// One CompiledGrammar, several threads: each finds what it finds alone.
#include <boost/test/unit_test.hpp>

#include <thread>

#include <hft/grammar/gbnf.hpp>

#include "texts_of.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(grammar_threads)

BOOST_AUTO_TEST_CASE(masks_are_shared) {
  const Grammar grammar = grammar_from_gbnf("root ::= \"[\" (root | [a-z]{1,70}) (\",\" root)* \"]\"");
  const auto words = vocabulary({"[[", "]]", "],", "ab", "abc"});
  const auto walk = [](CompiledGrammar& g, std::uint32_t seed) {
    std::mt19937 random(seed);
    auto state = CompiledGrammar::Session(g).start();
    std::string text;
    for (int n = 0; n < 100; ++n) {
      CompiledGrammar::Session s(g);  // others come between
      const auto allowed = tokens_of(s.allowed(state));
      if (allowed.empty()) break;
      const auto token = allowed[random() % allowed.size()];
      text += g.vocabulary().texts[std::size_t(token)];
      state = *s.advance(state, token);
    }
    return text;
  };
  CompiledGrammar shared(grammar, words);
  std::vector<std::string> texts(6);
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < texts.size(); ++i)
    threads.emplace_back([&shared, &texts, &walk, i] { texts[i] = walk(shared, i); });
  for (auto& t : threads) t.join();
  for (std::uint32_t i = 0; i < texts.size(); ++i) {
    CompiledGrammar alone(grammar, words);
    BOOST_TEST(texts[i] == walk(alone, i));
  }
}

BOOST_AUTO_TEST_SUITE_END()
