// The substrings of words that a Unigram model may start from: those of two characters and more that occur twice or
// more and are not always followed by the same character. They are the inner nodes of a suffix tree (what esaxx finds),
// read off the sorted suffixes of the words.
#pragma once
#include <algorithm>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/parallel.hpp>
#include <hft/tokenizers/trainers/trainer.hpp>
#include <hft/tokenizers/unicode.hpp>

namespace hft::detail {

class repeated_substrings {
 public:
  struct substring {
    std::uint64_t score;  // characters times how many places among the words have it
    std::uint32_t begin, size;
  };

  /// Substrings of up to max_size characters. A character 0 ends a word, as in the library.
  repeated_substrings(const word_counts& words, std::size_t max_size) : limit_(max_size + (max_size < max_limit)) {
    std::size_t size = 0;
    for (const auto& [word, n] : words) size += unicode::count(word) + 1;
    if (size >= std::numeric_limits<std::uint32_t>::max())
      throw value_error("UnigramTrainer", "distinct words", "fewer than 2^32 characters", joined(size));
    text_.reserve(size);
    for (const auto& [word, n] : words) {
      unicode::for_each(word, [&](char32_t c, std::size_t, unsigned) { text_ += c; });
      text_ += U'\0';
    }
    sort_suffixes();
    read_nodes(max_size);
  }

  std::u32string_view text(const substring& s) const { return std::u32string_view(text_).substr(s.begin, s.size); }

  /// The `n` with the largest scores, largest first; of equal ones the larger by its characters first.
  const std::vector<substring>& best(std::size_t n) {
    const auto better = [this](const substring& a, const substring& b) {
      return a.score != b.score ? a.score > b.score : text(a) > text(b);
    };
    if (n < found_.size()) {
      std::nth_element(found_.begin(), found_.begin() + std::ptrdiff_t(n), found_.end(), better);
      found_.resize(n);
    }
    std::sort(found_.begin(), found_.end(), better);
    return found_;
  }

 private:
  static constexpr std::size_t max_limit = 0xffffffff;
  struct suffix {
    std::uint64_t head;  // its first characters, packed
    std::uint32_t begin;
  };

  /// Suffixes of two characters and more, ordered by their first limit_ characters. A word's end is below them all.
  void sort_suffixes() {
    std::vector<std::uint32_t> rank(0x110000);
    for (char32_t c : text_) rank[c] = 1;
    std::uint32_t distinct = 0;
    for (std::size_t c = 0; c < rank.size(); ++c) rank[c] = c && rank[c] ? ++distinct : 0;
    const unsigned bits = unsigned(std::bit_width(distinct));
    head_size_ = bits == 0 ? 0 : 64 / bits;

    // By their first character, so that threads can sort the parts.
    std::vector<std::size_t> starts(distinct + 2);
    const auto counts = [&](std::size_t i) { return text_[i] != 0 && text_[i + 1] != 0; };
    for (std::size_t i = 0; i + 1 < text_.size(); ++i)
      if (counts(i)) ++starts[rank[text_[i]] + 1];
    for (std::size_t r = 1; r < starts.size(); ++r) starts[r] += starts[r - 1];
    suffixes_.resize(starts.back());
    auto next = starts;
    for (std::size_t i = 0; i + 1 < text_.size(); ++i)
      if (counts(i)) suffixes_[next[rank[text_[i]]]++] = {0, std::uint32_t(i)};

    std::atomic<std::uint32_t> bucket{0};
    thread_pool::instance().run([&](int) {
      for (std::uint32_t r; (r = bucket.fetch_add(1, std::memory_order_relaxed)) <= distinct;) {
        const auto first = suffixes_.begin() + std::ptrdiff_t(starts[r]);
        const auto last = suffixes_.begin() + std::ptrdiff_t(starts[r + 1]);
        for (auto s = first; s != last; ++s) s->head = head(s->begin, rank, bits);
        std::sort(first, last, [this](const suffix& a, const suffix& b) {
          return a.head != b.head ? a.head < b.head : less_behind_head(a, b);
        });
      }
    });
  }

  std::uint64_t head(std::size_t at, const std::vector<std::uint32_t>& rank, unsigned bits) const {
    std::uint64_t out = 0;
    bool ended = false;
    for (std::size_t i = 0; i < head_size_; ++i) {
      const std::uint32_t r = ended ? 0 : rank[text_[at + i]];
      ended |= r == 0;
      out = out << bits | r;
    }
    return out;
  }
  bool less_behind_head(const suffix& a, const suffix& b) const {
    for (std::size_t i = 0; i < limit_; ++i) {
      const char32_t x = text_[a.begin + i], y = text_[b.begin + i];
      if (x != y) return x < y;
      if (x == 0) return false;
    }
    return false;
  }

  /// Characters that two suffixes share; limit_ where none tells them apart.
  std::size_t shared(const suffix& a, const suffix& b) const {
    for (std::size_t i = 0; i < limit_; ++i) {
      const char32_t x = text_[a.begin + i];
      if (x != text_[b.begin + i]) return i;
      if (x == 0) break;
    }
    return limit_;
  }

  void read_nodes(std::size_t max_size) {
    struct node {
      std::size_t first, depth;
    };
    std::vector<node> open{{0, 0}};
    for (std::size_t i = 1; i <= suffixes_.size(); ++i) {
      const std::size_t depth = i < suffixes_.size() ? shared(suffixes_[i - 1], suffixes_[i]) : 0;
      std::size_t first = i - 1;
      for (; open.back().depth > depth; open.pop_back()) {
        const node& n = open.back();
        first = n.first;
        if (n.depth >= 2 && n.depth <= max_size)
          found_.push_back({(i - first) * n.depth, suffixes_[first].begin, std::uint32_t(n.depth)});
      }
      if (open.back().depth < depth) open.push_back({first, depth});
    }
    suffixes_ = {};
  }

  std::size_t limit_, head_size_ = 0;  // characters that are compared, and of these in a suffix's head
  std::u32string text_;                // the words, each with a 0 behind it
  std::vector<suffix> suffixes_;
  std::vector<substring> found_;
};

}  // namespace hft::detail
