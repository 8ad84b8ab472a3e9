// Batches on several threads: the same as text by text, in order, and errors that reach the caller.
#include <hft/tokenizers/tokenizer.hpp>

#include <boost/test/unit_test.hpp>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <hft/parallel.hpp>

#include "golden.hpp"
#include "random_text.hpp"

BOOST_AUTO_TEST_SUITE(batches)

namespace {

struct threads {
  int before = hft::num_threads();
  explicit threads(int n) { hft::set_num_threads(n); }
  ~threads() { hft::set_num_threads(before); }
};

std::vector<std::string> random_texts(unsigned seed, int n) {
  std::mt19937 rng(seed);
  std::vector<std::string> out;
  for (int i = 0; i < n; ++i) out.push_back(test::random_text(rng));
  return out;
}

}  // namespace

// gpt2 and bert know places and ids fast, llama2 ids alone, metaspace neither.
BOOST_AUTO_TEST_CASE(batches_on_threads_equal_one_by_one) {
  const threads four(4);
  auto texts = random_texts(18, 1200);
  for (const std::string kind : {"gpt2", "bert", "llama2", "metaspace"}) {
    BOOST_TEST_CONTEXT(kind) {
      const auto t = test::tokenizer(kind);
      const auto batch = t.encode_batch(texts);
      const auto ids = t.encode_ids_batch(texts, false);
      BOOST_TEST_REQUIRE(batch.size() == texts.size());
      BOOST_TEST_REQUIRE(ids.size() == texts.size());
      for (std::size_t i = 0; i < texts.size(); ++i) {
        const auto alone = t.encode(texts[i]);
        BOOST_TEST(batch[i].ids == alone.ids);
        BOOST_TEST((batch[i].offsets == alone.offsets));
        BOOST_TEST((batch[i].word_ids == alone.word_ids));
        BOOST_TEST(ids[i] == t.encode_ids(texts[i], false));
      }
    }
  }
  const auto t = test::tokenizer("gpt2");
  BOOST_TEST(t.encode_ids_batch(std::vector<std::string>{}).empty());
  texts[1000] = "\xff";
  BOOST_CHECK_THROW(t.encode_batch(texts), hft::value_error);
  BOOST_CHECK_THROW(t.encode_ids_batch(texts), hft::value_error);
}

BOOST_AUTO_TEST_CASE(a_tokenizer_is_shared_by_threads) {
  const auto texts = random_texts(19, 300);
  for (const std::string kind : {"smollm", "llama2"}) {
    const auto t = test::tokenizer(kind);
    const auto want = t.encode_ids_batch(texts);
    std::vector<std::vector<std::vector<std::int32_t>>> got(4);
    std::vector<std::thread> users;
    for (auto& mine : got)
      users.emplace_back([&] {
        for (const auto& text : texts) mine.push_back(t.encode_ids(text));
      });
    for (auto& u : users) u.join();
    for (const auto& mine : got) BOOST_TEST((mine == want));
  }
}

BOOST_AUTO_TEST_SUITE_END()
