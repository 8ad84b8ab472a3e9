// BpeTrainer: learns the merges of byte pair encoding (Sennrich et al. 2016, arXiv 1508.07909), the most frequent pair
// of neighbours first. Pairs know the words they are in and their counts follow each merge, so a merge costs what it
// changes. In words of hundreds of symbols pairs know their places: else a merge would cost the word.
#pragma once
#include <algorithm>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/tokenizers/models/bpe.hpp>
#include <hft/tokenizers/trainers/trainer.hpp>

namespace hft {
namespace trainers {

/// tokenizers' BpeTrainer. Of equally frequent pairs the one with the smaller ids is merged first. Where the library
/// goes by the order of a hash table, this goes by the order of the words: for the ids of single characters with a
/// prefix or suffix. Of equally frequent characters `limit_alphabet` keeps those with the smaller code points.
struct BpeTrainer {
  std::size_t vocab_size = 30000;   // special tokens and alphabet included; these may exceed it
  std::uint64_t min_frequency = 0;  // of a pair, to be merged
  std::vector<SpecialToken> special_tokens = {};
  std::optional<std::size_t> limit_alphabet = {};  // single characters to keep at most, the most frequent ones
  std::u32string initial_alphabet = {};            // characters to keep in any case, seen or not
  std::optional<std::string> continuing_subword_prefix = {};
  std::optional<std::string> end_of_word_suffix = {};
  std::optional<std::size_t> max_token_length = {};  // no token that training makes has more characters
  progress_callback progress = {};
  std::stop_token stop = {};

  /// Keeps the model's unk_token, fuse_unk, byte_fallback, ignore_merges and dropout.
  std::shared_ptr<const models::Model> train(const word_counts& words, const models::Model& model) const;
};

}  // namespace trainers

namespace detail {

/// Tokens by id, and merges in the order they were made. A pair may be merged twice; the later time counts.
struct bpe_vocabulary {
  struct merge {
    std::uint32_t a, b, id;
  };
  std::vector<std::string> tokens;
  std::vector<merge> merges;
};

/// One training. It follows the steps of the library one by one, as far as results depend on them.
class bpe_training {
 public:
  bpe_training(const trainers::BpeTrainer& options, const word_counts& words) : o_(options), words_(words) {}

  bpe_vocabulary run() {
    for (const auto& t : o_.special_tokens) id_of(t.content);
    add_alphabet();
    cut_words();
    count_pairs();
    merge_pairs();
    return std::move(out_);
  }

 private:
  static constexpr std::uint32_t none = pair_table::none;

  std::uint32_t id_of(const std::string& token, std::uint32_t length = 1) {
    if (const auto id = ids_.find(token)) return *id;
    const auto id = std::uint32_t(out_.tokens.size());
    ids_.insert(token, id);
    out_.tokens.push_back(token);
    lengths_.push_back(length);
    return id;
  }

  void add_alphabet() {
    std::vector<std::uint64_t> counts(0x110000);
    for (const auto& [word, n] : words_)
      unicode::for_each(word, [&, n = n](char32_t c, std::size_t, unsigned) { counts[c] += n; });
    for (char32_t c : check_alphabet(o_.initial_alphabet, "BpeTrainer")) counts[c] = ~std::uint64_t{0};
    std::vector<char32_t> kept;
    for (char32_t c = 0; c < counts.size(); ++c)
      if (counts[c] > 0) kept.push_back(c);
    if (o_.limit_alphabet && *o_.limit_alphabet < kept.size()) {
      std::stable_sort(kept.begin(), kept.end(), [&](char32_t a, char32_t b) { return counts[a] > counts[b]; });
      kept.resize(*o_.limit_alphabet);
      std::sort(kept.begin(), kept.end());
    }
    for (char32_t c : kept) id_of(unicode::encode(c));
  }

  /// Words to symbols. Characters outside of the alphabet vanish.
  void cut_words() {
    std::size_t bytes = 0;
    for (const auto& [word, n] : words_) bytes += word.size();
    symbols_.reserve(bytes);
    spans_.reserve(words_.size());
    if (words_.size() >= none) throw value_error("BpeTrainer", "words", "fewer than 2^32 - 1", joined(words_.size()));
    std::string token;
    report(o_, "Tokenize words", 0, words_.size());
    for (const auto& [word, n] : words_) {
      span s{symbols_.size(), 0};
      unicode::for_each(word, [&, &word = word](char32_t, std::size_t at, unsigned size) {
        const std::string_view character = std::string_view(word).substr(at, size);
        auto id = ids_.find(character);
        if (!id) return;
        const bool prefix = at > 0 && o_.continuing_subword_prefix;
        const bool suffix = at + size == word.size() && o_.end_of_word_suffix;
        if (prefix || suffix) {
          token = prefix ? *o_.continuing_subword_prefix : std::string();
          token += character;
          if (suffix) token += *o_.end_of_word_suffix;
          id = id_of(token);
        }
        symbols_.push_back(*id);
      });
      s.size = std::uint32_t(symbols_.size() - s.begin);
      if (s.size >= long_word) {
        s.links = links_.size();
        for (std::uint32_t i = 0; i < s.size; ++i) links_.push_back({i - 1, i + 1});
      }
      spans_.push_back(s);
    }
    report(o_, "Tokenize words", words_.size(), words_.size());
  }

  void count_pairs() {
    report(o_, "Count pairs", 0, words_.size());
    for (std::uint32_t w = 0; w < spans_.size(); ++w) {
      const std::uint32_t* s = symbols_.data() + spans_[w].begin;
      for (std::uint32_t i = 0; i + 1 < spans_[w].size; ++i) {
        const auto pair = change(s[i], s[i + 1], w, count_of(w));
        if (spans_[w].is_long()) pairs_[pair].spots.push_back({w, i});
      }
    }
    report(o_, "Count pairs", words_.size(), words_.size());
    queue_new_places();
  }

  void merge_pairs() {
    const std::size_t max_length = o_.max_token_length.value_or(~std::size_t{0});
    report(o_, "Compute merges", 0, o_.vocab_size);
    while (out_.tokens.size() < o_.vocab_size && !queue_.empty()) {
      std::pop_heap(queue_.begin(), queue_.end());
      auto& top = queue_.back();
      // The count may have changed since the pair was queued. As in the library, counts include what was merged before.
      if (const auto now = std::uint64_t(pairs_[top.pair].count); now != top.count) {
        top.count = now;
        std::push_heap(queue_.begin(), queue_.end());
        continue;
      }
      if (top.count < 1 || top.count < o_.min_frequency) break;
      auto [count, a, b, pair, places] = std::move(top);
      queue_.pop_back();

      std::string_view rest = out_.tokens[b];
      const auto& prefix = o_.continuing_subword_prefix;
      if (prefix && rest.starts_with(*prefix)) rest.remove_prefix(prefix->size());
      const std::uint32_t merged = id_of(out_.tokens[a] + std::string(rest), lengths_[a] + lengths_[b]);
      out_.merges.push_back({a, b, merged});
      if (!links_.empty()) {
        std::sort(places.begin(), places.end());
        merge_in_long_words(pair, places, merged, max_length);
      }
      for (const auto word : places)
        if (!spans_[word].is_long()) merge_in(word, a, b, merged, max_length);
      queue_new_places();
      report(o_, "Compute merges", out_.merges.size(), o_.vocab_size);
    }
  }

  /// Replaces the pair in a word and moves the counts of its neighbours.
  void merge_in(std::uint32_t word, std::uint32_t a, std::uint32_t b, std::uint32_t merged, std::size_t max_length) {
    std::uint32_t* const s = symbols_.data() + spans_[word].begin;
    const std::uint32_t n = spans_[word].size;
    const std::int64_t count = count_of(word);
    const std::size_t length = lengths_[merged];
    std::uint32_t size = 0;
    for (std::uint32_t i = 0; i < n; ++i, ++size) {
      if (s[i] != a || i + 1 == n || s[i + 1] != b) {
        s[size] = s[i];
        continue;
      }
      ++i;
      if (size > 0) {
        change(s[size - 1], a, word, -count);
        if (lengths_[s[size - 1]] + length < max_length) change(s[size - 1], merged, word, count);
      }
      if (i + 1 < n) {
        change(b, s[i + 1], word, -count);
        if (lengths_[s[i + 1]] + length < max_length) change(merged, s[i + 1], word, count);
      }
      s[size] = merged;
    }
    spans_[word].size = size;
  }

  /// The same in the long words among `places` (in order), spot by spot. As merge_in goes through a word from its
  /// start, so does this, and what it does at one spot is the same.
  void merge_in_long_words(std::uint32_t pair, const std::vector<std::uint32_t>& places, std::uint32_t merged,
                           std::size_t max_length) {
    auto spots = std::exchange(pairs_[pair].spots, {});
    const auto a = pairs_[pair].a, b = pairs_[pair].b;
    std::sort(spots.begin(), spots.end());
    const std::size_t length = lengths_[merged];
    for (const auto& at : spots) {
      if (!std::binary_search(places.begin(), places.end(), at.word)) {
        pairs_[pair].spots.push_back(at);  // the pair is queued once more for that word
        continue;
      }
      span& w = spans_[at.word];
      std::uint32_t* const s = symbols_.data() + w.begin;
      link* const links = links_.data() + w.links;
      const std::uint32_t i = at.at, right = links[i].next;
      if (s[i] != a || right >= w.size || s[right] != b) continue;
      const std::uint32_t before = links[i].previous, after = links[right].next;
      const std::int64_t count = count_of(at.word);
      const auto neighbours = [&](std::uint32_t x, std::uint32_t y, std::uint32_t other, std::uint32_t spot) {
        const auto grown = change(x, y, at.word, lengths_[other] + length < max_length ? count : 0);
        pairs_[grown].spots.push_back({at.word, spot});
      };
      if (before < w.size) {
        change(s[before], a, at.word, -count);
        neighbours(s[before], merged, s[before], before);
      }
      if (after < w.size) {
        change(b, s[after], at.word, -count);
        neighbours(merged, s[after], s[after], i);
        links[after].previous = i;
      }
      s[i] = merged;
      s[right] = none;
      links[i].next = after;
    }
  }

  /// Adds to the count of a pair; where it grows, the word is one of its new places. Returns where pairs_ has it.
  std::uint32_t change(std::uint32_t a, std::uint32_t b, std::uint32_t word, std::int64_t count) {
    auto at = index_.find(a, b).rank;
    if (at == none) {
      at = std::uint32_t(pairs_.size());
      index_.insert(a, b, {at, 0});
      pairs_.push_back({a, b});
    }
    pair_state& p = pairs_[at];
    p.count += count;
    if (count <= 0) return at;
    if (p.places.empty()) grown_.push_back(at);
    if (p.places.empty() || p.places.back() != word) p.places.push_back(word);
    return at;
  }
  /// A pair is queued once for each merge that gave it new places, with these alone.
  void queue_new_places() {
    for (const auto at : grown_) {
      pair_state& p = pairs_[at];
      auto places = std::exchange(p.places, {});
      if (p.count <= 0) continue;
      queue_.push_back({std::uint64_t(p.count), p.a, p.b, at, std::move(places)});
      std::push_heap(queue_.begin(), queue_.end());
    }
    grown_.clear();
  }
  std::int64_t count_of(std::uint32_t word) const { return std::int64_t(words_[word].second); }

  static constexpr std::uint32_t long_word = 512;  // symbols: from here on going through a word is the dearer way
  struct span {
    std::size_t begin;
    std::uint32_t size;
    std::size_t links = ~std::size_t{0};  // of a long word, whose symbols stay where they are
    bool is_long() const { return links != ~std::size_t{0}; }
  };
  struct link {
    std::uint32_t previous, next;  // symbols of the word; at or past its size: none
  };
  struct spot {
    std::uint32_t word, at;
    friend auto operator<=>(const spot&, const spot&) = default;
  };
  struct pair_state {
    std::uint32_t a, b;
    std::int64_t count = 0;
    std::vector<std::uint32_t> places = {};  // words, since the pair was queued last
    std::vector<spot> spots = {};            // in long words, since it was merged last; it may be gone from there
  };
  struct queued {
    std::uint64_t count;
    std::uint32_t a, b, pair;  // pair: its index in pairs_
    std::vector<std::uint32_t> places;
    friend bool operator<(const queued& x, const queued& y) {
      return x.count != y.count ? x.count < y.count : x.a != y.a ? x.a > y.a : x.b > y.b;
    }
  };

  const trainers::BpeTrainer& o_;
  const word_counts& words_;
  bpe_vocabulary out_;
  Vocabulary ids_;
  std::vector<std::uint32_t> lengths_;  // of tokens, in characters of the text
  std::vector<std::uint32_t> symbols_;  // of all words
  std::vector<span> spans_;             // of words in symbols_
  std::vector<link> links_;             // between the symbols of long words
  pair_table index_;                    // pairs to their places in pairs_
  std::vector<pair_state> pairs_;
  std::vector<queued> queue_;         // a heap, the next pair to merge on top
  std::vector<std::uint32_t> grown_;  // pairs with places that are not queued
};

}  // namespace detail

namespace trainers {

inline std::shared_ptr<const models::Model> BpeTrainer::train(const word_counts& words,
                                                              const models::Model& model) const {
  auto options = detail::model_to_train<models::BPE>(model, "BpeTrainer", "BPE").config();
  const auto trained = detail::bpe_training(*this, words).run();
  detail::pair_table merges;
  merges.reserve(trained.merges.size());
  std::uint32_t rank = 0;
  for (const auto& m : trained.merges) merges.insert(m.a, m.b, {rank++, m.id});
  options.continuing_subword_prefix = continuing_subword_prefix.value_or("");
  options.end_of_word_suffix = end_of_word_suffix.value_or("");
  options.has_continuing_subword_prefix = continuing_subword_prefix.has_value();
  options.has_end_of_word_suffix = end_of_word_suffix.has_value();
  return std::make_shared<models::BPE>(detail::make_vocabulary(trained.tokens), std::move(merges), std::move(options));
}

}  // namespace trainers
}  // namespace hft
