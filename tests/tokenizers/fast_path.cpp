// The fast path against the general pipeline, which the golden files hold to the tokenizers library: every field of the
// encodings of random text, with the caches cold and warm.
#include <hft/tokenizers/fast_path.hpp>
#include <hft/tokenizers/tokenizer.hpp>

#include <boost/test/unit_test.hpp>
#include <random>
#include <string>
#include <vector>

#include "golden.hpp"
#include "random_text.hpp"

BOOST_AUTO_TEST_SUITE(fast_path)

namespace {

// The same tokenizer without a fast path: an added token to look for in the normalized text rules that out.
hft::Tokenizer general(hft::Tokenizer t) {
  t.add_tokens({hft::AddedToken{.content = "\xf4\x80\x80\x80never\xf4\x80\x80\x81"}});
  return t;
}

}  // namespace

BOOST_AUTO_TEST_CASE(encodings_equal_the_general_pipeline) {
  std::mt19937 rng(17);
  for (const std::string kind :
       {"gpt2", "roberta", "llama3", "qwen2", "cl100k", "smollm", "regex", "bert", "truncated", "truncated_left"}) {
    const auto fast = test::tokenizer(kind);
    const auto slow = general(fast);
    for (int i = 0; i < 600; ++i) {
      const auto text = test::random_text(rng), pair = test::random_text(rng);
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
      const auto ids = slow.encode(text);
      const auto got_ids = fast.encode_ids(text);
      BOOST_CHECK_EQUAL_COLLECTIONS(got_ids.begin(), got_ids.end(), ids.ids.begin(), ids.ids.end());
      if (i % 10 == 0) {
        const std::vector<std::string> words = {text, pair, "", "x"};
        BOOST_TEST(test::columns(fast.encode(words)) == test::columns(slow.encode(words)));
      }
    }
  }
}

BOOST_AUTO_TEST_SUITE_END()
