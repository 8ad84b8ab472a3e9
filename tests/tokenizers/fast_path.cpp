// The fast path against the general pipeline, which the golden files hold to the tokenizers library: every field of the
// encodings of random text, with the caches cold and warm.
#include <hft/tokenizers/fast_path.hpp>
#include <hft/tokenizers/tokenizer.hpp>

#include <boost/test/unit_test.hpp>
#include <random>
#include <string>
#include <vector>

#include "golden.hpp"

namespace {

// Text that hurts: runs of what normalizers, splits and caches treat in special ways.
std::string random_text(std::mt19937& rng) {
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
                                                 "Würde"};
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

// The same tokenizer without a fast path: an added token to look for in the normalized text rules that out.
hft::Tokenizer general(hft::Tokenizer t) {
  t.add_tokens({hft::AddedToken{.content = "\xf4\x80\x80\x80never\xf4\x80\x80\x81"}});
  return t;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(fast_path)

BOOST_AUTO_TEST_CASE(encodings_equal_the_general_pipeline) {
  std::mt19937 rng(17);
  for (const std::string kind :
       {"gpt2", "roberta", "llama3", "qwen2", "cl100k", "smollm", "regex", "bert", "truncated", "truncated_left"}) {
    const auto fast = test::tokenizer(kind);
    const auto slow = general(fast);
    for (int i = 0; i < 600; ++i) {
      const auto text = random_text(rng), pair = random_text(rng);
      if (kind == "truncated_left") {  // where a truncation cannot be done, both say so
        try {
          (void)slow.encode(text, pair);
        } catch (const hft::value_error&) {
          BOOST_CHECK_THROW(fast.encode(text, pair), hft::value_error);
          continue;
        }
      }
      const auto want = test::columns(slow.encode(text, pair));
      const auto got = test::columns(fast.encode(text, pair));
      BOOST_CHECK_MESSAGE(got == want, kind << " " << hft::json({text, pair}).dump() << "\n"
                                            << got.dump() << "\n"
                                            << want.dump());
      if (i % 10 == 0) {
        const std::vector<std::string> words = {text, pair, "", "x"};
        BOOST_TEST(test::columns(fast.encode(words)) == test::columns(slow.encode(words)));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(batches_on_threads_equal_one_by_one) {
  std::mt19937 rng(18);
  const auto t = test::tokenizer("gpt2");
  std::vector<std::string> texts;
  for (int i = 0; i < 2000; ++i) texts.push_back(random_text(rng));
  const auto batch = t.encode_batch(texts);
  BOOST_TEST_REQUIRE(batch.size() == texts.size());
  for (std::size_t i = 0; i < texts.size(); ++i)
    BOOST_TEST(test::columns(batch[i]) == test::columns(t.encode(texts[i])));
  texts[1500] = "\xff";
  BOOST_CHECK_THROW(t.encode_batch(texts), hft::value_error);
}

BOOST_AUTO_TEST_SUITE_END()
