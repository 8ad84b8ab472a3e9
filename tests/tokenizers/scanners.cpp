// The hand-written scanners against their regular expressions, as PCRE2 reads them.
#include <hft/tokenizers/pre_tokenizers/scanners.hpp>

#include <boost/test/unit_test.hpp>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <hft/tokenizers/pre_tokenizers/regex.hpp>

BOOST_AUTO_TEST_SUITE(scanners)

namespace {

using pieces = std::vector<std::pair<std::size_t, std::size_t>>;

pieces scanned(hft::detail::split_pattern pattern, std::string_view text) {
  pieces out;
  hft::detail::scan(pattern, text, [&](std::size_t begin, std::size_t end) { out.emplace_back(begin, end); });
  return out;
}

}  // namespace

BOOST_AUTO_TEST_CASE(scanners_equal_their_expressions) {
  const char* const expressions[] = {
      R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)",
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
      R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)",
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
      R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
      R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
      R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)"};
  // Short strings over the characters that the expressions tell apart.
  const char* const alphabet[] = {"a", "S", "l",  "L",        "'", " ", " ", "\n",       "\r", "\t",
                                  "1", "2", ".",  "\xc2\xa0", "é", "ſ", "²", "\xcc\x81", "😀",  "\xe2\x80\xa8",
                                  "v", "e", "中", "ʰ",        "/"};
  std::mt19937 random(1);
  for (const char* expression : expressions) {
    const auto pattern = hft::detail::known_pattern(expression);
    BOOST_REQUIRE(pattern.has_value());
    const hft::detail::regex regex(expression, "test");
    for (int i = 0; i < 20000; ++i) {
      std::string text;
      for (auto n = random() % 12; n; --n) text += alphabet[random() % std::size(alphabet)];
      pieces want;
      for (const auto& m : regex.find(text)) want.emplace_back(m.begin, m.end);
      const auto got = scanned(*pattern, text);
      BOOST_REQUIRE_MESSAGE(got == want, expression << " on '" << text << "'");
    }
  }
}

BOOST_AUTO_TEST_CASE(white_space_leaves_its_last_character_to_the_word) {
  using hft::detail::split_pattern;
  BOOST_TEST((scanned(split_pattern::gpt2, "a   b") == pieces{{0, 1}, {1, 3}, {3, 5}}));
  BOOST_TEST((scanned(split_pattern::gpt2, "a   ") == pieces{{0, 1}, {1, 4}}));
  BOOST_TEST((scanned(split_pattern::gpt2, "a\n b") == pieces{{0, 1}, {1, 2}, {2, 4}}));
  BOOST_TEST((scanned(split_pattern::llama3, "a \n\n b1234") == pieces{{0, 1}, {1, 4}, {4, 6}, {6, 9}, {9, 10}}));
  BOOST_TEST((scanned(split_pattern::o200k, "HTTPServer's") == pieces{{0, 12}}));
  BOOST_TEST((scanned(split_pattern::o200k, "ab中CDe") == pieces{{0, 5}, {5, 8}}));
  BOOST_TEST((scanned(split_pattern::qwen2, "12'RE") == pieces{{0, 1}, {1, 2}, {2, 5}}));
}

BOOST_AUTO_TEST_SUITE_END()
