// A text and what normalizers made of it, byte for byte aligned with the original.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/tokenizers/unicode.hpp>

namespace hft {

/// Bytes [begin, end) of a text.
struct byte_range {
  std::uint32_t begin = 0, end = 0;
};

/// A character of a transformed text: 0 replaces the next old character, 1 is inserted, -N also removes N more.
struct char_change {
  char32_t c;
  std::int32_t change;
};

/// One part of a text that a pattern found (`is_match`) or left over.
struct pattern_match {
  std::size_t begin, end;
  bool is_match;
};

/// The string that normalizers edit (tokenizers' NormalizedString): the current text, and for each of its bytes the
/// bytes of the original it stands for. Slices know their place in the whole text. Without alignments (`aligned` false)
/// only the text is kept, which is all that ids need.
class NormalizedString {
 public:
  NormalizedString() = default;
  /// `text` is well-formed UTF-8 below 4 GiB.
  explicit NormalizedString(std::string_view text, bool aligned = true)
      : text_(text), original_size_(text.size()), aligned_(aligned) {
    if (!aligned) return;
    alignments_.resize(text.size());
    detail::unicode::for_each(text, [this](char32_t, std::size_t i, unsigned n) {
      for (unsigned k = 0; k < n; ++k) alignments_[i + k] = {std::uint32_t(i), std::uint32_t(i + n)};
    });
  }

  const std::string& get() const noexcept { return text_; }
  bool empty() const noexcept { return text_.empty(); }
  std::size_t size() const noexcept { return text_.size(); }
  /// Where this slice begins in the original text, in bytes.
  std::size_t original_shift() const noexcept { return original_shift_; }

  /// The part of the original text that bytes [begin, end) stand for, relative to this slice. False: out of range.
  bool to_original(std::size_t begin, std::size_t end, std::size_t& from, std::size_t& to) const {
    if (begin == end) {
      from = begin, to = end;
      return true;
    }
    if (begin > end || end > alignments_.size()) return false;
    from = alignments_[begin].begin, to = alignments_[end - 1].end;
    return true;
  }

  NormalizedString slice(std::size_t begin, std::size_t end) const {
    NormalizedString out;
    out.aligned_ = aligned_;
    out.text_ = text_.substr(begin, end - begin);
    if (!aligned_) return out;
    std::size_t from = 0, to = 0;
    to_original(begin, end, from, to);
    out.original_size_ = from <= to && to <= original_size_ ? to - from : 0;
    out.original_shift_ = original_shift_ + from;
    out.alignments_.reserve(end - begin);
    const auto shift = std::uint32_t(from);
    for (std::size_t i = begin; i < end; ++i)
      out.alignments_.push_back({alignments_[i].begin - shift, alignments_[i].end - shift});
    return out;
  }

  /// The same as slice(0, size()) in place: only what the text stands for is left of the original.
  void narrow() {
    if (!aligned_ || text_.empty()) return;
    const std::size_t from = alignments_.front().begin, to = alignments_.back().end;
    if (from == 0 && to == original_size_) return;
    *this = slice(0, text_.size());
  }

  /// Replaces the text that stands for the original by `dest`; `removed` characters at its start are dropped.
  void transform(const std::vector<char_change>& dest, std::size_t removed = 0) {
    std::size_t begin = 0, end = text_.size();
    if (aligned_ && !original_range(begin, end)) return;
    transform_range(begin, end, dest, removed);
  }

  void transform_range(std::size_t begin, std::size_t end, const std::vector<char_change>& dest,
                       std::size_t removed = 0) {
    std::string text;
    text.reserve(dest.size());
    if (!aligned_) {
      for (const auto& d : dest) detail::unicode::append(text, d.c);
      text_.replace(begin, end - begin, text);
      return;
    }
    std::vector<byte_range> alignments;
    alignments.reserve(dest.size());
    std::size_t at = begin;  // in the old text
    const auto skip_one = [&] {
      if (at < end) at += detail::unicode::length(static_cast<unsigned char>(text_[at]));
    };
    for (; removed > 0; --removed) skip_one();
    for (const auto& d : dest) {
      byte_range align{};
      if (d.change > 0) {
        if (at > 0) align = alignments_[at - 1];  // an inserted character shares its predecessor's place
      } else {
        if (at < alignments_.size()) align = alignments_[at];
        skip_one();
        for (auto n = d.change; n < 0; ++n) skip_one();
      }
      for (auto n = detail::unicode::encoded_length(d.c); n > 0; --n) alignments.push_back(align);
      detail::unicode::append(text, d.c);
    }
    text_.replace(begin, end - begin, text);
    if (begin == 0 && end == alignments_.size()) {
      alignments_ = std::move(alignments);
    } else {
      const auto first = alignments_.begin() + std::ptrdiff_t(begin);
      alignments_.insert(alignments_.erase(first, first + std::ptrdiff_t(end - begin)), alignments.begin(),
                         alignments.end());
    }
  }

  /// Keeps the characters for which keep(c) holds.
  template <class Keep>
  void filter(Keep keep) {
    std::vector<char_change> dest;
    dest.reserve(text_.size());
    std::size_t removed_at_start = 0;
    detail::unicode::for_each(text_, [&](char32_t c, std::size_t, unsigned) {
      if (keep(c)) {
        dest.push_back({c, 0});
      } else if (dest.empty()) {
        ++removed_at_start;
      } else {
        --dest.back().change;
      }
    });
    transform(dest, removed_at_start);
  }

  template <class Map>
  void map(Map map) {
    std::vector<char_change> dest;
    dest.reserve(text_.size());
    detail::unicode::for_each(text_, [&](char32_t c, std::size_t, unsigned) { dest.push_back({map(c), 0}); });
    transform(dest);
  }

  void lowercase() {
    std::vector<char_change> dest;
    dest.reserve(text_.size());
    detail::unicode::for_each(text_, [&](char32_t c, std::size_t, unsigned) {
      if (c == 0x130) {
        dest.push_back({U'i', 0});
        dest.push_back({0x307, 1});
      } else {
        dest.push_back({detail::unicode::lowercase(c), 0});
      }
    });
    transform(dest);
  }

  /// Puts `prefix` before a text that is not empty. (Not inlined: GCC, seeing a literal, warns of its bounds.)
  [[gnu::noinline]] void prepend(std::string_view prefix) {
    if (text_.empty()) return;
    check_growth(text_.size() + prefix.size());
    unsigned n;
    const char32_t first = detail::unicode::decode(text_.data(), n);
    std::vector<char_change> dest;
    detail::unicode::for_each(prefix, [&](char32_t c, std::size_t i, unsigned) { dest.push_back({c, i != 0}); });
    dest.push_back({first, 1});
    transform_range(0, n, dest);
  }

  /// Replaces each match (in order, covering the text with what is between) by `content`.
  void replace(const std::vector<pattern_match>& matches, std::string_view content) {
    std::size_t size = 0;
    for (const auto& m : matches) size += m.is_match ? content.size() : m.end - m.begin;
    check_growth(size);
    std::string text;
    std::vector<byte_range> alignments;
    text.reserve(size);
    if (aligned_) alignments.reserve(size);
    for (const auto& m : matches) {
      if (!m.is_match) {
        text.append(text_, m.begin, m.end - m.begin);
        for (std::size_t i = m.begin; aligned_ && i < m.end; ++i) alignments.push_back(alignments_[i]);
        continue;
      }
      text += content;
      const byte_range align = aligned_ && m.end ? alignments_[m.end - 1] : byte_range{};
      for (std::size_t i = 0; aligned_ && i < content.size(); ++i) alignments.push_back(align);
    }
    text_ = std::move(text);
    alignments_ = std::move(alignments);
  }

  /// Drops white space at the ends.
  void strip(bool left, bool right) {
    using namespace detail::unicode;
    std::size_t removed = 0, begin = 0, end = text_.size();
    unsigned n;
    while (left && begin < end && is(decode(text_.data() + begin, n), space)) begin += n, ++removed;
    while (right && begin < end && is(decode_before(text_.data() + end, n), space)) end -= n;
    if (begin == 0 && end == text_.size()) return;
    std::vector<char_change> dest;
    for_each(std::string_view(text_).substr(begin, end - begin), [&](char32_t c, std::size_t, unsigned) {
      dest.push_back({c, 0});
    });
    transform(dest, removed);
  }

  /// Throws value_error where a text of `size` bytes is far too much for this one. Replacements of replacements grow
  /// exponentially; no honest normalizer comes near this.
  void check_growth(std::size_t size) const {
    if (size > (std::size_t{1} << 24) && size / 64 > original_size_)
      throw value_error("normalizer", "text", detail::joined("at most 64 times its ", original_size_, " bytes"),
                        detail::joined(size, " bytes"));
  }

 private:
  // The bytes that stand for the whole original: all of them, but for what is aligned with nothing at the start.
  bool original_range(std::size_t& begin, std::size_t& end) const {
    begin = end = 0;
    if (original_size_ == 0) return true;
    bool found = false;
    for (; end < alignments_.size() && alignments_[end].end <= original_size_; ++end)
      if (!found && alignments_[end].begin != alignments_[end].end) found = true, begin = end;
    if (end == 0) return false;
    if (!found) begin = end;
    return true;
  }

  std::string text_;
  std::vector<byte_range> alignments_;  // one per byte of text_
  std::size_t original_size_ = 0, original_shift_ = 0;
  bool aligned_ = true;
};

}  // namespace hft
