// A set of Unicode characters as ranges: what a class such as [^"\\] of a grammar or a regular expression stands for.
#pragma once
#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <utility>
#include <vector>

namespace hft {

/// Sorted ranges that neither overlap nor touch, of characters that UTF-8 can write: surrogates are never in it.
class CodePoints {
 public:
  struct range {
    char32_t first, last;
    friend bool operator==(const range&, const range&) = default;
  };
  static constexpr char32_t largest = 0x10ffff;

  CodePoints() = default;
  CodePoints(std::initializer_list<range> ranges) {
    for (const range& r : ranges) add(r.first, r.last);
  }
  static CodePoints all() { return {{0, largest}}; }

  void add(char32_t c) { add(c, c); }
  /// Where first > last that is nothing.
  void add(char32_t first, char32_t last) {
    last = std::min(last, largest);
    if (first < 0xd800 && last > 0xdfff) {
      insert(first, 0xd7ff);
      insert(0xe000, last);
    } else {
      if (first >= 0xd800 && first <= 0xdfff) first = 0xe000;
      if (last >= 0xd800 && last <= 0xdfff) last = 0xd7ff;
      insert(first, last);
    }
  }
  void add(const CodePoints& other) {
    for (const range& r : other.ranges_) insert(r.first, r.last);
  }
  CodePoints complement() const {
    CodePoints out;
    char32_t next = 0;
    for (const range& r : ranges_) {
      if (r.first > next) out.add(next, r.first - 1);
      next = r.last + 1;
    }
    if (next <= largest) out.add(next, largest);
    return out;
  }
  CodePoints operator&(const CodePoints& other) const {
    CodePoints out;
    for (std::size_t i = 0, k = 0; i < ranges_.size() && k < other.ranges_.size();) {
      const range &a = ranges_[i], &b = other.ranges_[k];
      out.insert(std::max(a.first, b.first), std::min(a.last, b.last));
      ++(a.last < b.last ? i : k);
    }
    return out;
  }
  CodePoints operator-(const CodePoints& other) const { return *this & other.complement(); }

  bool contains(char32_t c) const {
    const auto at = std::upper_bound(ranges_.begin(), ranges_.end(), c,
                                     [](char32_t value, const range& r) { return value < r.first; });
    return at != ranges_.begin() && c <= std::prev(at)->last;
  }
  bool empty() const { return ranges_.empty(); }
  const std::vector<range>& ranges() const { return ranges_; }
  friend bool operator==(const CodePoints&, const CodePoints&) = default;

 private:
  void insert(char32_t first, char32_t last) {
    if (first > last) return;
    // The ranges that overlap or touch it become one with it; most are added in order.
    auto begin = std::lower_bound(ranges_.begin(), ranges_.end(), first,
                                  [](const range& r, char32_t c) { return r.last + 1 < c; });
    auto end = begin;
    for (; end != ranges_.end() && end->first <= last + 1; ++end) {
      first = std::min(first, end->first);
      last = std::max(last, end->last);
    }
    if (begin == end) {
      ranges_.insert(begin, {first, last});
    } else {
      *begin = {first, last};
      ranges_.erase(begin + 1, end);
    }
  }

  std::vector<range> ranges_;
};

}  // namespace hft
