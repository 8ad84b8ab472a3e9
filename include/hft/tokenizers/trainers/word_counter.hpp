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
#include <hft/tokenizers/byte_alphabet.hpp>
#include <hft/tokenizers/normalizers/bert.hpp>
#include <hft/tokenizers/normalizers/normalizer.hpp>
#include <hft/tokenizers/normalizers/unicode.hpp>
#include <hft/tokenizers/normalizers/utils.hpp>
#include <hft/tokenizers/pre_tokenizers/bert.hpp>
#include <hft/tokenizers/pre_tokenizers/byte_level.hpp>
#include <hft/tokenizers/pre_tokenizers/digits.hpp>
#include <hft/tokenizers/pre_tokenizers/metaspace.hpp>
#include <hft/tokenizers/pre_tokenizers/punctuation.hpp>
#include <hft/tokenizers/pre_tokenizers/scanners.hpp>
#include <hft/tokenizers/pre_tokenizers/sequence.hpp>
#include <hft/tokenizers/pre_tokenizers/split.hpp>
#include <hft/tokenizers/pre_tokenizers/whitespace.hpp>
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

template <class... Kinds, class Stage>
bool is_one_of(const Stage* stage) {
  return (dynamic_cast<const Kinds*>(stage) || ...);
}
/// Whether a stage makes the same of a text that does not know its place in the original.
inline bool needs_no_places(const normalizers::Normalizer* n) {
  using namespace normalizers;
  return !n || is_one_of<NFC, NFD, NFKC, NFKD, Lowercase, BertNormalizer>(n);
}
inline bool needs_no_places(const pre_tokenizers::PreTokenizer* p) {
  using namespace pre_tokenizers;
  if (const auto* m = dynamic_cast<const Metaspace*>(p)) return m->prepend_scheme != PrependScheme::First;
  return is_one_of<ByteLevel, Split, Digits, Whitespace, WhitespaceSplit, Punctuation, BertPreTokenizer>(p);
}

class word_counter {
 public:
  /// The tokenizer outlives the counter.
  explicit word_counter(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {
    const auto& added = tokenizer.added_vocabulary();
    if (added.any_in_raw_text() || added.any_in_normalized_text() || !needs_no_places(tokenizer.normalizer().get()))
      return;
    const auto* p = tokenizer.pre_tokenizer().get();
    if (const auto* sequence = dynamic_cast<const pre_tokenizers::Sequence*>(p)) {
      for (const auto& step : sequence->pre_tokenizers) steps_.push_back(step.get());
    } else if (p) {
      steps_.push_back(p);
    }
    places_ = !std::all_of(steps_.begin(), steps_.end(), [](const auto* step) { return needs_no_places(step); });
    if (places_ || steps_.empty()) return;
    byte_level_ = dynamic_cast<const pre_tokenizers::ByteLevel*>(steps_.back());
    if (byte_level_) steps_.pop_back();
  }

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
    word_counts all;
    for (const auto& t : tables_)
      t.for_each([&](std::string_view word, std::uint64_t n) { all.emplace_back(spelled(word), n); });
    tables_.clear();
    std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    word_counts out;
    for (auto& [word, n] : all) {
      if (out.empty() || out.back().first != word) out.emplace_back(std::move(word), 0);
      out.back().second += n;
    }
    return out;
  }

 private:
  void count(std::string_view text, word_table& words) const {
    if (places_) {
      // As in the library, added tokens that the text holds are words.
      auto s = tokenizer_.added_vocabulary().extract_and_normalize(tokenizer_.normalizer().get(), text);
      if (tokenizer_.pre_tokenizer()) tokenizer_.pre_tokenizer()->pre_tokenize(s);
      for (const auto& p : s.pieces) words.add(p.text.get());
      return;
    }
    const auto* normalizer = tokenizer_.normalizer().get();
    if (!normalizer && steps_.empty()) return cut(text, words);
    PreTokenizedString s(text, false);
    if (normalizer) s.normalize([&](NormalizedString& part) { normalizer->normalize(part); });
    for (const auto* step : steps_) step->pre_tokenize(s);
    for (const auto& p : s.pieces) cut(p.text.get(), words);
  }

  /// The last step. Words of ByteLevel are counted as they are and spelled when all are there.
  void cut(std::string_view part, word_table& words) const {
    if (part.empty() || !byte_level_) return words.add(part);
    std::string with_space;
    if (byte_level_->add_prefix_space && part.front() != ' ') {
      with_space.append(1, ' ').append(part);
      part = with_space;
    }
    if (!byte_level_->use_regex) return words.add(part);
    scan(split_pattern::gpt2, part,
         [&](std::size_t begin, std::size_t end) { words.add(part.substr(begin, end - begin)); });
  }
  std::string spelled(std::string_view word) const {
    if (!byte_level_) return std::string(word);
    std::string out;
    for (char c : word) unicode::append(out, byte_alphabet.to_char[static_cast<unsigned char>(c)]);
    return out;
  }

  const Tokenizer& tokenizer_;
  bool places_ = true;  // whether texts go the general way, which keeps track of places
  std::vector<const pre_tokenizers::PreTokenizer*> steps_;  // otherwise: the pre-tokenizers,
  const pre_tokenizers::ByteLevel* byte_level_ = nullptr;   // and the last of them, if it is this
  std::vector<word_table> tables_;
};

}  // namespace hft::detail
