// Training BPE on one long word, where pairs know their places in it.
#include <hft/tokenizers/trainers/bpe.hpp>

#include <boost/test/unit_test.hpp>
#include <cstdint>
#include <string>

BOOST_AUTO_TEST_SUITE(bpe_trainer)

BOOST_AUTO_TEST_CASE(a_long_word) {
  std::string word;  // four letters with many runs of a, whose pairs overlap
  std::uint32_t x = 1;
  for (int i = 0; i < 3000; ++i) {
    x = (x * 1103515245u + 12345u) & 0x7fffffffu;
    word += (x >> 20 & 3) ? "abcd"[x >> 16 & 3] : 'a';
  }
  hft::trainers::BpeTrainer trainer;
  trainer.vocab_size = 400;
  const hft::word_counts words{{word, 1}};
  const auto trained = hft::detail::bpe_training(trainer, words).run();
  std::uint64_t hash = 14695981039346656037u;  // FNV-1a of the merges as lines
  for (const auto& m : trained.merges)
    for (const char c : trained.tokens[m.a] + ' ' + trained.tokens[m.b] + '\n')
      hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  // What tokenizers 0.23 learns from the same word.
  BOOST_TEST(trained.merges.size() == 396u);
  BOOST_TEST(hash == 6514711705785554923u);
}

BOOST_AUTO_TEST_SUITE_END()
