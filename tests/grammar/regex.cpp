// Regular expressions: what tests/oracle/grammar.py says of Python's re, and what is refused.
#include <boost/test/unit_test.hpp>

#include <hft/grammar/regex.hpp>
#include <hft/io/json.hpp>

#include "../golden_list.hpp"
#include "texts_of.hpp"

using namespace hft;
using namespace hft::test;
using hft::detail::cat;

BOOST_AUTO_TEST_SUITE(regex)

namespace {

std::string error_of(std::string_view pattern) {
  try {
    grammar_from_regex(pattern);
    return "none";
  } catch (const format_error& e) {
    return e.what();
  } catch (const unsupported_error& e) {
    return cat("unsupported_error ", e.what());
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(texts_are_pythons) {
  const auto golden = read_json(std::string(HFT_TEST_DATA) + "/grammar/regex.json");
  for (const auto& c : filled(golden["cases"])) {
    const auto pattern = c["pattern"].get<std::string>();
    GrammarAutomaton a(grammar_from_regex(pattern));
    for (const auto& text : c["accepted"].get<std::vector<std::string>>())
      BOOST_TEST((of(a, text) == verdict::whole), pattern << " " << text);
    for (const auto& text : c["refused"].get<std::vector<std::string>>())
      BOOST_TEST((of(a, text) != verdict::whole), pattern << " " << text);
    for (const auto& text : c["viable"].get<std::vector<std::string>>())
      BOOST_TEST((of(a, text) != verdict::no), pattern << " " << text);
    for (const auto& text : c["dead"].get<std::vector<std::string>>())
      BOOST_TEST((of(a, text) == verdict::no), pattern << " " << text);
  }
}

BOOST_AUTO_TEST_CASE(what_is_none_says_where) {
  BOOST_TEST(error_of("a(b") == "[regex:1:4] regular expression: expected ')', got the end");
  BOOST_TEST(error_of("a)b").starts_with("[regex:1:2] regular expression: expected the end of the expression"));
  BOOST_TEST(error_of("*a").starts_with("[regex:1:1] regular expression: expected something to repeat"));
  BOOST_TEST(error_of("a**").starts_with("[regex:1:3] regular expression: expected one repetition"));
  BOOST_TEST(error_of("[b-a]").starts_with("[regex:1:5]"));
  BOOST_TEST(error_of("[a").starts_with("[regex:1:3] regular expression: expected ']'"));
  BOOST_TEST(error_of("[]a]").starts_with("[regex:1:2]"));
  BOOST_TEST(error_of("[\\d-z]").starts_with("[regex:1:5]"));
  BOOST_TEST(error_of("a{3,2}").starts_with("[regex:1:6]"));
  BOOST_TEST(error_of("a{,2}").starts_with("[regex:1:3]"));
  BOOST_TEST(error_of("\\").starts_with("[regex:1:2]"));
  BOOST_TEST(error_of("\\ud800").starts_with("[regex:1:7]"));
  for (const char* pattern : {"(?=a)", "(?!a)", "(?<=a)b", "(?i)a", "(?>a)", "(a)\\1", "\\bword", "\\p{L}", "a^b",
                              "(a$)", "a++", "\\A", "\\q", "\\01"})
    BOOST_TEST(error_of(pattern).starts_with("unsupported_error [regex:1:"), pattern);
}

BOOST_AUTO_TEST_CASE(masks_are_what_walking_the_vocabulary_gives) {
  const auto words =
      vocabulary({"12", "123", "1-", "-0", "ab", "abc", "bab", "\xc3\xa9t", "  ", "a.b", "@b", ".com", "aaaaaaaaaaaa"});
  for (const char* pattern : {"\\d{4}-\\d\\d(-\\d\\d)?", "[a-z]{2,300}(\\.[a-z]+)*@\\w+\\.com", "(ab|a|bab)*c{0,70}",
                              "\\S{1,40}( \\S{1,40}){0,9}"}) {
    CompiledGrammar g(grammar_from_regex(pattern), words);
    for (std::uint32_t seed = 0; seed < 30; ++seed) {
      const std::string made = random_text(g, seed);
      BOOST_TEST(accepts(grammar_from_regex(pattern), made), made);
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
