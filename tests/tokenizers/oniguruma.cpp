// Expressions written for Oniguruma, matched by PCRE2. What they match is what the tokenizers library replaced.
#include <hft/tokenizers/pre_tokenizers/oniguruma.hpp>

#include <boost/test/unit_test.hpp>
#include <string>

#include <hft/tokenizers/pre_tokenizers/regex.hpp>

BOOST_AUTO_TEST_SUITE(oniguruma)

namespace {

// The text with each match replaced by a bar.
std::string barred(const std::string& expression, const std::string& text) {
  std::string out;
  for (const auto& m : hft::detail::regex(expression, "test").find(text))
    out += m.is_match ? "|" : text.substr(m.begin, m.end - m.begin);
  return out;
}

}  // namespace

BOOST_AUTO_TEST_CASE(classes_within_classes) {
  BOOST_TEST(barred("[a[bc]]", "abcd") == "|||d");
  BOOST_TEST(barred("[a-z&&[^b]]", "abcd") == "|b||");
  BOOST_TEST(barred("[^a&&b]", "abcd") == "||||");
  BOOST_TEST(barred("[^[a]b]", "abcd") == "ab||");
  BOOST_TEST(barred("[a&&]", "ab&") == "ab&");
  BOOST_TEST(barred("[]a]", "]ab") == "||b");
  BOOST_TEST(barred(R"([^\S\n])", "a \n\t") == "a|\n|");
  BOOST_TEST(barred(R"([\w&&[^\d]])", "a1é") == "|1|");
  BOOST_TEST(barred("[a-c-e]", "a-de") == "||d|");
  BOOST_TEST(barred("[+--]", "+,-") == "|||");
  BOOST_TEST(barred(R"( ?[^(\s|[.,!?])]+)", "ab (cd|e. f") == "| (|||.|");
}

BOOST_AUTO_TEST_CASE(repetitions) {
  BOOST_TEST(barred("a{,2}", "aaab") == "||b|");
  BOOST_TEST(barred("a{1,2}+", "aaaab") == "|b");
  BOOST_TEST(barred("a{2}?", "aaaa") == "||");
  BOOST_TEST(barred("a{2,1}", "aaaa") == "||");
  BOOST_TEST(barred("a{1,2}?", "aaaa") == "||||");
  BOOST_TEST(barred("a+*", "aaa") == "|");
  BOOST_TEST(barred("a{x", "a{x") == "|");
}

BOOST_AUTO_TEST_CASE(options) {
  BOOST_TEST(barred("(?m).", "a\nb") == "|||");
  BOOST_TEST(barred("(?i-m:a)", "A") == "|");
  BOOST_TEST(barred("b(?i)a|c", "bA bC bc") == "| | |");  // the option and the rest of the group: b(?i:a|c)
  BOOST_TEST(barred("(?x)a b # c", "ab a b") == "| a b");
  BOOST_TEST(barred("^", "a\nb\n") == "|a\n|b\n");
  BOOST_TEST(barred("$", "a\nb\n") == "a|\nb|\n|");
}

BOOST_AUTO_TEST_CASE(escapes) {
  BOOST_TEST(barred(R"(\h+)", "ab g1") == "| g|");
  BOOST_TEST(barred(R"(\v)", "a\x0b\x0c") == "a|\x0c");
  BOOST_TEST(barred(R"(\O)", "\na") == "||");
  BOOST_TEST(barred(R"(\pL)", "a1") == "a1");  // braces are not optional
  BOOST_TEST(barred(R"(\u0041\x{42}\103)", "ABC") == "|");
  BOOST_TEST(barred(R"(\B)", "a é_1") == "a é|_|1");
  BOOST_TEST(barred(R"(\s)", "\xc2\x85\xe1\xa0\x8e\x1c ") == "|\xe1\xa0\x8e\x1c|");
  BOOST_TEST(barred(R"(\w)", "²½Ⅷ\xe2\x80\x8d") == "|||\xe2\x80\x8d");
  BOOST_TEST(barred(R"([\w])", "²½Ⅷ\xe2\x80\x8d") == "²½|\xe2\x80\x8d");
}

BOOST_AUTO_TEST_CASE(properties) {
  BOOST_TEST(barred(R"(\p{^L})", "a1") == "a|");
  BOOST_TEST(barred(R"(\P{Letter})", "a1") == "a|");
  BOOST_TEST(barred(R"(\p{lu})", "aA") == "a|");
  BOOST_TEST(barred(R"(\p{Greek})", "α\xcd\x82") == "|\xcd\x82");  // the script, not what it shares
  BOOST_TEST(barred(R"(\p{Punct})", "a.$") == "a|$");
  BOOST_TEST(barred(R"([[:punct:]])", "a.$") == "a||");
  BOOST_TEST(barred(R"([[:^alpha:]])", "a1") == "a|");
  BOOST_TEST(barred(R"(\p{L}+)", "a\U000323afb\U0002ebf1") == "|");  // of Unicode 15 and 15.1
}

BOOST_AUTO_TEST_CASE(lookbehinds_of_varying_length) {
  BOOST_TEST(barred(R"((?<=x(?:a|bb)?)c)", "c xc xac xbbc xbc abc") == "c x| xa| xbb| xbc abc");
  BOOST_TEST(barred(R"((?<!x(?:a|bb))c)", "c xc xac xbbc") == "| x| xac xbbc");
  BOOST_TEST(barred(R"((?<=(?:ab|c)(?:d|ef))g)", "abdg cefg cdg abg") == "abd| cef| cd| abg");
  BOOST_TEST(barred(R"((?<=\d{1,3})k)", "1k 12k k") == "1| 12| k");
  BOOST_TEST(barred(R"((?<=a+)b)", "ab aab b") == "a| aa| b");
  BOOST_TEST(barred(R"((?<=a*b)c)", "aabc bc c") == "aab| b| c");
  BOOST_TEST(barred(R"((?<=(a|bb))c)", "ac bc bbc") == "a| bc bb|");
  BOOST_TEST(barred(R"((?<=(?i:a|Bb))c)", "Ac bBc bc") == "A| bB| bc");
  BOOST_TEST(barred(R"((?<=(?:\r\n|\n))a)", "\r\na\na ra") == "\r\n|\n| ra");
  BOOST_TEST(barred(R"((?<=\n\n?)a)", "\na\n\na a") == "\n|\n\n| a");
  BOOST_TEST(barred(R"((?<=é?日)x)", "é日x 日x éx") == "é日| 日| éx");
  BOOST_TEST(barred(R"((?<!a?)b)", "ab b") == "ab b");
  BOOST_TEST(barred(R"((?<=(?:a+b){1})c)", "aabc bc") == "aab| bc");
  BOOST_TEST(barred(R"((?<=a|bb|(?:c|dd(?:e|f)?))x)", "ax bbx bx cx ddx ddex dex") == "a| bb| bx c| dd| dde| dex");
  BOOST_TEST(barred("(?<=a|bb)c", "ac bbc bc") == "a| bb| bc");  // PCRE2's own
  for (const char* expression : {"(?<=ba*)c", "(?<=(?>a|bb))c", "(?<=a?+)c", R"((?<=(a|bb))\1c)", R"((?<=\X)a)",
                                 "(?<=(?:a+b){2})c", "(?<=(?:a|bb){9})c"})
    BOOST_TEST_CONTEXT(expression)
  BOOST_CHECK_EXCEPTION(hft::detail::regex(expression, "test"), hft::unsupported_error,
                        [](const auto& e) { return std::string(e.what()).find("lookbehind") != std::string::npos; });
}

BOOST_AUTO_TEST_CASE(what_cannot_be_said_is_an_error) {
  for (const char* expression : {"(?~ab)", R"(\y)", "(*LIMIT_MATCH=1)a", "(?W:a)", R"(\p{InBasic_Latin})", R"(\xe9)"})
    BOOST_CHECK_THROW(hft::detail::regex(expression, "test"), hft::unsupported_error);
  for (const char* expression : {"(", ")", "*", "[", "a[b", "\\", "[[]", "(?<n", R"([a-\d])", "a\xff"})
    BOOST_CHECK_THROW(hft::detail::regex(expression, "test"), hft::format_error);
  std::string deep(1000, '[');
  BOOST_CHECK_THROW(hft::detail::regex(deep, "test"), hft::error);
  std::string much;
  for (int i = 0; i < 100000; ++i) much += "\\b";
  BOOST_CHECK_THROW(hft::detail::regex(much, "test"), hft::error);
  BOOST_CHECK_THROW(hft::detail::regex("a" + std::string(100000, '*'), "test"), hft::error);
}

BOOST_AUTO_TEST_SUITE_END()
