// Text that hurts: runs of what normalizers, splits and caches treat in special ways.
#pragma once
#include <random>
#include <string>
#include <vector>

#include <hft/tokenizers/unicode.hpp>

namespace test {

inline std::string random_text(std::mt19937& rng) {
  static const std::vector<std::string> parts = {" ",
                                                 "  ",
                                                 "\n",
                                                 "\r\n",
                                                 "\t",
                                                 "a",
                                                 "the",
                                                 "The",
                                                 " human",
                                                 "beings",
                                                 "'s",
                                                 "'LL",
                                                 "1948",
                                                 "12",
                                                 "½",
                                                 "é",
                                                 "É",
                                                 "ß",
                                                 "e\u0301",
                                                 "\u0301",
                                                 "\u0323\u0301",
                                                 "日本",
                                                 "人",
                                                 "한국",
                                                 "\u1112\u1161\u11ab",
                                                 "ﬁ",
                                                 "İ",
                                                 "ı",
                                                 "ǅ",
                                                 "😀",
                                                 "👩‍👧",
                                                 "\u200d",
                                                 "\u00a0",
                                                 "\u2028",
                                                 "\u3000",
                                                 "\u00ad",
                                                 "\ufeff",
                                                 "\ufffd",
                                                 std::string(1, '\0'),
                                                 "\x01",
                                                 "\x7f",
                                                 ",",
                                                 ".",
                                                 "!?",
                                                 "’",
                                                 "“x”",
                                                 ";",
                                                 "\u037e",
                                                 "-",
                                                 "--",
                                                 "##",
                                                 "<mask>",
                                                 "<|x|>",
                                                 "[MASK]",
                                                 "pneumonoultramicroscopicsilicovolcanoconiosis",
                                                 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                                                 "Würde",
                                                 "``",
                                                 "\u2581",
                                                 "\u2581\u2581",
                                                 "\u2581the",
                                                 "\u2581\u0301",
                                                 "\r",
                                                 "\v",
                                                 "\f",
                                                 "\u0085",
                                                 "\u1680",
                                                 "\u200b",
                                                 "\u00a8",
                                                 "\u0600",
                                                 "\u06dd",
                                                 "\u0d4e",
                                                 "\ufdfa",
                                                 "\u0e33",
                                                 "<s>",
                                                 "</s>",
                                                 "<unk>",
                                                 "<0x0A>",
                                                 " \u3000",
                                                 "\u00a0 ",
                                                 " \u0301"};
  std::string out;
  for (auto n = rng() % 12; n > 0; --n) {
    if (rng() % 8 == 0) {
      char32_t c = rng() % 3 ? char32_t(rng() % 0x3000) : char32_t(rng() % 0x20000);
      if (c >= 0xd800 && c < 0xe000) c = U'x';
      out += hft::detail::unicode::encode(c);
    } else {
      out += parts[rng() % parts.size()];
    }
  }
  return out;
}

}  // namespace test
