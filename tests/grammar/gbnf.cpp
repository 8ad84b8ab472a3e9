// GBNF: what llama.cpp reads, and where what it does not read is wrong.
#include <boost/test/unit_test.hpp>

#include <hft/grammar/gbnf.hpp>

#include "texts_of.hpp"

using namespace hft;
using namespace hft::test;
using hft::detail::cat;

BOOST_AUTO_TEST_SUITE(gbnf)

namespace {

std::string error_of(std::string_view text) {
  try {
    GrammarAutomaton a(grammar_from_gbnf(text, "g.gbnf"));
    return "none";
  } catch (const format_error& e) {
    return e.what();
  } catch (const value_error& e) {
    return cat("value_error ", e.what());
  } catch (const unsupported_error& e) {
    return cat("unsupported_error ", e.what());
  }
}

// grammars/json.gbnf of llama.cpp.
constexpr const char* json_grammar = R"(root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws

object ::=
  "{" ws (
            string ":" ws value
    ("," ws string ":" ws value)*
  )? "}" ws

array  ::=
  "[" ws (
            value
    ("," ws value)*
  )? "]" ws

string ::=
  "\"" (
    [^"\\\x7F\x00-\x1F] |
    "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}) # escapes
  )* "\"" ws

number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws

# Optional space: by convention, applied in this grammar after literal chars when allowed
ws ::= | " " | "\n" [ \t]{0,20}
)";

}  // namespace

BOOST_AUTO_TEST_CASE(elements) {
  const auto g = grammar_from_gbnf(
      "root ::= \"a\" [b-dx] [^0-9] . \"\\x41\\u00e9\\U0001F600\\n\\\"\\\\\" | two # c\ntwo ::= (\"t\" |\n \"u\")? "
      "\"w\"");
  BOOST_TEST(accepts(g, "ab-?A\xc3\xa9\xf0\x9f\x98\x80\n\"\\"));
  BOOST_TEST(accepts(g, "ax\xe2\x82\xac\nA\xc3\xa9\xf0\x9f\x98\x80\n\"\\"));
  BOOST_TEST((of(g, "ae") == verdict::no));
  BOOST_TEST((of(g, "ab5") == verdict::no));
  BOOST_TEST((of(g, "ab\xe2\x82") == verdict::prefix));  // within a character
  BOOST_TEST((of(g, "ab\xe2z") == verdict::no));
  BOOST_TEST((of(g, "ab\xed\xa0") == verdict::no));  // a surrogate
  BOOST_TEST((of(g, "ab\xc0") == verdict::no));
  BOOST_TEST(accepts(g, "tw"));
  BOOST_TEST(accepts(g, "w"));
  BOOST_TEST(!accepts(g, "t"));
}

BOOST_AUTO_TEST_CASE(repetitions_are_counted) {
  for (const char* part : {"\"a\"", "[a-c]", "x", "(\"b\"? \"a\")"})
    for (const auto& [counts, min, max] :
         {std::tuple{"{3}", 3, 3}, std::tuple{"{2,}", 2, 9999}, std::tuple{"{,4}", 0, 4}, std::tuple{"{2,600}", 2, 600},
          std::tuple{"{300}", 300, 300}, std::tuple{"*", 0, 9999}, std::tuple{"+", 1, 9999}, std::tuple{"?", 0, 1}}) {
      const auto g = grammar_from_gbnf(cat("root ::= ", part, counts, " \"!\"\nx ::= \"a\" | \"ca\""));
      GrammarAutomaton a(g);
      for (const int n : {0, 1, 2, 3, 4, 5, 299, 300, 301, 599, 600, 601}) {
        const std::string text(std::size_t(n), 'a');
        BOOST_TEST_CONTEXT(part << counts << " of " << n) {
          BOOST_TEST((of(a, text + "!") == (n >= min && n <= max ? verdict::whole : verdict::no)));
          BOOST_TEST((of(a, text) == (n <= max ? verdict::prefix : verdict::no)));
        }
      }
    }
  // Within each other, and of what may be empty.
  GrammarAutomaton a(grammar_from_gbnf("root ::= ((\"a\"? \"b\"?){0,300} \"c\"){2,3} \"!\""));
  BOOST_TEST((of(a, std::string(300, 'a') + "cc!") == verdict::whole));
  BOOST_TEST((of(a, std::string(301, 'a')) == verdict::no));
  BOOST_TEST((of(a, "abababcabcc!") == verdict::whole));
  BOOST_TEST((of(a, "ababccc") == verdict::prefix));
  BOOST_TEST((of(a, "ababcccc") == verdict::no));
}

BOOST_AUTO_TEST_CASE(llama_cpps_json) {
  GrammarAutomaton a(grammar_from_gbnf(json_grammar));
  for (const char* text : {"{}", "{\"a\":1}", "{\"a\": [1, -2.5e+1, \"x\\n\\u00e9\", {\"b\": null}],\"c\":{}}\n  "})
    BOOST_TEST((of(a, text) == verdict::whole), text);
  for (const char* text : {"{\"a\"", "{\"a\": [", "{\"a\":\"\\u00", "{\"a\":tru"})
    BOOST_TEST((of(a, text) == verdict::prefix), text);
  for (const char* text : {"[", "{a", "{\"a\":01", "{\"a\":\"\n", "{}}", "{\"a\":1,}"})
    BOOST_TEST((of(a, text) == verdict::no), text);
  // Deep nesting, and work that does not grow with what was written.
  std::string deep = "{\"a\":";
  for (int i = 0; i < 2000; ++i) deep += "[";
  BOOST_TEST((of(a, deep + std::string(2000, ']') + "}") == verdict::whole));
  const std::size_t size = a.size();
  std::string elements = "{\"a\":[1";
  for (int i = 0; i < 2000; ++i) elements += ",1";
  BOOST_TEST((of(a, elements + "]}") == verdict::whole));
  BOOST_TEST(a.size() < size + 100);
}

BOOST_AUTO_TEST_CASE(many_ways_at_once_stay_few_stacks) {
  GrammarAutomaton a(grammar_from_gbnf("root ::= \"a\" root \"b\" | \"a\" root \"c\" | \"a\" root \"d\" |"));
  BOOST_TEST((of(a, std::string(400, 'a') + std::string(200, 'b') + std::string(199, 'd')) == verdict::prefix));
  BOOST_TEST((of(a, std::string(400, 'a') + std::string(200, 'b') + std::string(200, 'd')) == verdict::whole));
  BOOST_TEST(a.size() < 10000u);
}

BOOST_AUTO_TEST_CASE(what_is_no_grammar_says_where) {
  BOOST_TEST(error_of("root ::= \"a\"\n  b") == "[g.gbnf:2:4] GBNF: expected '::=', got the end");
  BOOST_TEST(error_of("root ::= \"a") == "[g.gbnf:1:12] GBNF: expected '\"', got the end");
  BOOST_TEST(error_of("root ::= (\"a\"\n") == "[g.gbnf:2:1] GBNF: expected ')', got the end");
  BOOST_TEST(error_of("root ::= *") == "[g.gbnf:1:10] GBNF: expected something to repeat, got '*'");
  BOOST_TEST(error_of("root ::= [z-a]").starts_with("[g.gbnf:1:14] GBNF: expected a range"));
  BOOST_TEST(error_of("root ::= \"a\"{3,2}").starts_with("[g.gbnf:1:17] GBNF: expected a second number"));
  BOOST_TEST(error_of("root ::= \"\\q\"").starts_with("[g.gbnf:1:12] GBNF: expected an escape"));
  BOOST_TEST(error_of("root ::= \"\xff\"").starts_with("[g.gbnf] GBNF: expected UTF-8"));
  BOOST_TEST(error_of("a ::= \"a\"") == "[g.gbnf] rule 'root': expected a definition, got none");
  BOOST_TEST(error_of("root ::= <think>").starts_with("unsupported_error [g.gbnf:1:10]"));
  BOOST_TEST(error_of("root ::= \"\xc3\xa9\" a\n\nb ::= c") ==
             "[g.gbnf:1:14] rule 'a': expected a definition, got none");
  BOOST_TEST(error_of("root ::= \"a\"{99999999}").starts_with("[g.gbnf:1:"));
  BOOST_TEST(error_of(cat("root ::= ", std::string(1000, '('))).starts_with("[g.gbnf:1:"));
}

BOOST_AUTO_TEST_CASE(left_recursion_and_what_never_ends_are_errors) {
  BOOST_TEST(error_of("root ::= \"x\" | root \"a\"").find("[g.gbnf:1:1] rule 'root'") == 0u);
  BOOST_TEST(error_of("root ::= \"x\" a\na ::= (b \"1\" |)\nb ::= [x]* c\nc ::= \"y\" | a").find("left recursion: ") !=
             std::string::npos);
  BOOST_TEST(error_of("root ::= \"x\"? (\"y\" | root)").find("left recursion: root -> root") != std::string::npos);
  BOOST_TEST(error_of("root ::= \"x\" root?") == "none");
  BOOST_TEST(error_of("root ::= \"x\" root") ==
             "value_error [g.gbnf] grammar: expected a text that satisfies it, got none");
  BOOST_TEST(error_of("root ::= \"x\" [] | []") ==
             "value_error [g.gbnf] grammar: expected a text that satisfies it, got none");
  // Ways that never end are left out: what is a prefix has an end.
  const auto g = grammar_from_gbnf("root ::= \"a\" b | \"c\" [] | \"d\"\nb ::= \"b\" b");
  BOOST_TEST((of(g, "a") == verdict::no));
  BOOST_TEST((of(g, "c") == verdict::no));
  BOOST_TEST((of(g, "d") == verdict::whole));
}

BOOST_AUTO_TEST_CASE(masks_are_what_walking_the_vocabulary_gives) {
  const auto words = vocabulary({"{\"", "\":",      "\": ", "\",",  "\"}",  "}}",       "]}",         "a\"",
                                 "ab",  "abc\",\"", "true", "1,2",  "\\\"", "\\u00",    "\xc3\xa9\"", "0]",
                                 "  ",  "ull",      "\n  ", "x{3}", "aaaa", "aaaaaaaa", "a!",         "aa!"});
  for (const char* text :
       {json_grammar, "root ::= \"a\"{0,300} \"!\"", "root ::= ([a-z] | \" \"){5,40} [.!]",
        "root ::= x{3,90} \"!\"\nx ::= \"a\" | \"aa\"", "root ::= \"a\" root \"!\" | \"a\" root \"]\" | \"a\""}) {
    CompiledGrammar g(grammar_from_gbnf(text), words);
    for (std::uint32_t seed = 0; seed < 40; ++seed) {
      const std::string made = random_text(g, seed);
      BOOST_TEST(accepts(grammar_from_gbnf(text), made), made);
    }
  }
}

BOOST_AUTO_TEST_CASE(a_vocabulary_writes_what_it_can) {
  // Without single bytes beyond ASCII: characters that are tokens, and none that could not be completed.
  TokenTexts ascii;
  for (char c = ' '; c < 127; ++c) ascii.texts.emplace_back(1, c);
  ascii.texts.insert(ascii.texts.end(), {"\xc3\xa9", "\xc3", "a\xc3", "ab\xe2\x82\xac"});
  CompiledGrammar g(grammar_from_gbnf("root ::= .{1,3}"), ascii);
  {
    CompiledGrammar::Session s(g);
    const auto allowed = tokens_of(s.allowed(s.start()));
    BOOST_TEST(allowed.size() == 96u);  // ASCII and the e
    BOOST_TEST(allowed.back() == 95);
  }
  BOOST_CHECK_THROW(CompiledGrammar(grammar_from_gbnf("root ::= \"a\" [\xe2\x82\xac]"), ascii), value_error);
  // Words only: as far as it gets.
  CompiledGrammar words(grammar_from_gbnf("root ::= \"yes\" | \"no\""), {{"yes", "n", "maybe"}});
  CompiledGrammar::Session s(words);
  BOOST_TEST(tokens_of(s.allowed(s.start())) == (std::vector<std::int64_t>{0, 1}), boost::test_tools::per_element());
  BOOST_CHECK_THROW(CompiledGrammar(grammar_from_gbnf("root ::= \"yes\""), {{"no"}}), value_error);
}

BOOST_AUTO_TEST_SUITE_END()
