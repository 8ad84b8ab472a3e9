// Counts the words of a corpus: what a tokenizer's normalizer and pre-tokenizer make of its texts. On all threads of
// hft, each with a table of its own; the sum does not depend on how many they are.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/parallel.hpp>
#include <hft/tokenizers/tokenizer.hpp>
#include <hft/tokenizers/trainers/trainer.hpp>
#include <hft/tokenizers/vocabulary.hpp>

namespace hft::detail {

/// Words and how often they were added.
class word_table {
 public:
  void add(std::string_view word) {
    if (word.empty()) return;
    if (const auto at = words_.find(word)) {
      ++counts_[*at];
      return;
    }
    // What a Vocabulary holds: ids below 2^31, less than 4 GiB of text.
    if (counts_.size() > Vocabulary::max_id || word.size() > 0xffffffffu - bytes_)
      throw value_error("trainer", "distinct words", "less than 4 GiB of them", "more");
    words_.insert(word, std::uint32_t(counts_.size()));
    counts_.push_back(1);
    bytes_ += word.size();
  }
  /// Calls f(word, count) for all words.
  template <class F>
  void for_each(F f) const {
    words_.for_each([&](std::string_view word, std::uint32_t at) { f(word, counts_[at]); });
  }

 private:
  Vocabulary words_;
  std::vector<std::uint64_t> counts_;
  std::size_t bytes_ = 0;
};

class word_counter {
 public:
  /// The tokenizer outlives the counter.
  explicit word_counter(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  /// Counts the words of texts (well-formed UTF-8, each less than 4 GiB).
  void add(std::span<const std::string_view> texts) {
    auto& pool = thread_pool::instance();
    if (tables_.size() < std::size_t(pool.size())) tables_.resize(std::size_t(pool.size()));
    const std::size_t share = texts.size() / (tables_.size() * 16) + 1;  // texts differ in length
    std::atomic<std::size_t> next{0};
    pool.run([&](int i) {
      if (std::size_t(i) >= tables_.size()) return;
      for (std::size_t at; (at = next.fetch_add(share, std::memory_order_relaxed)) < texts.size();)
        for (const auto text : texts.subspan(at, std::min(share, texts.size() - at)))
          count(text, tables_[std::size_t(i)]);
    });
  }

  /// All words, each once.
  word_counts take() {
    std::vector<std::pair<std::string_view, std::uint64_t>> all;
    for (const auto& t : tables_)
      t.for_each([&](std::string_view word, std::uint64_t n) { all.emplace_back(word, n); });
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    word_counts out;
    out.reserve(all.size());
    for (const auto& [word, n] : all) {
      if (out.empty() || out.back().first != word) out.emplace_back(word, 0);
      out.back().second += n;
    }
    tables_.clear();
    return out;
  }

 private:
  // As in the library, added tokens that the text holds are words.
  void count(std::string_view text, word_table& words) const {
    auto s = tokenizer_.added_vocabulary().extract_and_normalize(tokenizer_.normalizer().get(), text);
    if (tokenizer_.pre_tokenizer()) tokenizer_.pre_tokenizer()->pre_tokenize(s);
    for (const auto& p : s.pieces) words.add(p.text.get());
  }

  const Tokenizer& tokenizer_;
  std::vector<word_table> tables_;
};

}  // namespace hft::detail
