// The split patterns of well-known models as hand-written scanners: one pass, no backtracking, no allocation.
// Each is equal to its regular expression as Oniguruma reads it; any other pattern goes through regex.hpp.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <hft/tokenizers/unicode.hpp>

namespace hft::detail {

enum class split_pattern : std::uint8_t { gpt2, llama3, qwen2 };

inline constexpr std::string_view gpt2_pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

/// The scanner of a regular expression, where there is one.
inline std::optional<split_pattern> known_pattern(std::string_view regex) {
  struct known {
    std::string_view regex;
    split_pattern pattern;
  };
  static constexpr known patterns[] = {
      {gpt2_pattern, split_pattern::gpt2},
      {R"('(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", split_pattern::gpt2},
      {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
       split_pattern::llama3},
      {R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)",
       split_pattern::llama3},
      {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
       split_pattern::qwen2},
  };
  for (const auto& k : patterns)
    if (k.regex == regex) return k.pattern;
  return {};
}

/// What the scanners ask of a character: one of letter, number, space, or none of them (0); `newline` beside space.
enum scan_class : std::uint8_t { scan_other = 0, scan_letter = 1, scan_number = 2, scan_space = 4, scan_newline = 8 };

struct ascii_scan_classes {
  std::uint8_t of[128] = {};
  constexpr ascii_scan_classes() {
    for (int c = 'a'; c <= 'z'; ++c) of[c] = of[c - 32] = scan_letter;
    for (int c = '0'; c <= '9'; ++c) of[c] = scan_number;
    for (int c = 9; c <= 13; ++c) of[c] = scan_space;
    of[32] = scan_space;                          // the space itself
    of[10] = of[13] = scan_space | scan_newline;  // \n and \r
  }
};
inline constexpr ascii_scan_classes ascii_scan{};

/// Steps through well-formed UTF-8 by scan classes.
class scan_cursor {
 public:
  explicit scan_cursor(std::string_view text) : begin_(text.data()), end_(text.data() + text.size()) {}

  std::size_t size() const { return std::size_t(end_ - begin_); }
  bool ascii(std::size_t i, char c) const { return i < size() && begin_[i] == c; }

  /// The class of the character at i < size(); `n` receives its bytes.
  unsigned at(std::size_t i, unsigned& n) const {
    const auto lead = static_cast<unsigned char>(begin_[i]);
    if (lead < 0x80) {
      n = 1;
      return ascii_scan.of[lead];
    }
    return slow(i, n);
  }

  /// The end of the run of characters from i whose class has a bit of `mask`.
  std::size_t run(std::size_t i, unsigned mask) const {
    for (unsigned n; i < size(); i += n)
      if (!(at(i, n) & mask)) break;
    return i;
  }
  /// The end of the run of characters from i that are neither letter, number nor space.
  std::size_t run_of_others(std::size_t i) const {
    for (unsigned n; i < size(); i += n)
      if (at(i, n) != scan_other) break;
    return i;
  }
  bool starts(std::size_t i, unsigned mask) const {
    unsigned n;
    return i < size() && (at(i, n) & mask) != 0;
  }
  bool starts_other(std::size_t i) const {
    unsigned n;
    return i < size() && at(i, n) == scan_other;
  }

  /// Bytes of 's 't 'm 'd 're 've 'll at the apostrophe at i, or 0. Folding case, U+017F is an s.
  std::size_t contraction(std::size_t i, bool fold) const {
    if (i + 1 >= size()) return 0;
    const auto letter = [&](std::size_t k) -> char {
      if (k >= size()) return 0;
      const char c = begin_[k];
      return fold && c >= 'A' && c <= 'Z' ? char(c + 32) : c;
    };
    switch (letter(i + 1)) {
      case 's':
      case 't':
      case 'm':
      case 'd':
        return 2;
      case 'r':
      case 'v':
        return letter(i + 2) == 'e' ? 3 : 0;
      case 'l':
        return letter(i + 2) == 'l' ? 3 : 0;
      case '\xc5':
        return fold && i + 2 < size() && begin_[i + 2] == '\xbf' ? 3 : 0;
      default:
        return 0;
    }
  }

  /// The end of the white space piece at i: `\s+(?!\S)|\s+`. A run before a word leaves its last character to the word.
  std::size_t white_space(std::size_t i) const {
    std::size_t last = i;
    unsigned n;
    for (std::size_t k = i;; k += n) {
      if (k >= size()) return k;
      if (!(at(k, n) & scan_space)) return last > i ? last : k;
      last = k;
    }
  }

  /// The end of `\s*[\r\n]+` at i, or i.
  std::size_t to_last_newline(std::size_t i) const {
    std::size_t end = i;
    for (unsigned n; i < size(); i += n) {
      const unsigned c = at(i, n);
      if (!(c & scan_space)) break;
      if (c & scan_newline) end = i + n;
    }
    return end;
  }

  std::size_t newlines(std::size_t i) const {
    while (i < size() && (begin_[i] == '\n' || begin_[i] == '\r')) ++i;
    return i;
  }

 private:
  unsigned slow(std::size_t i, unsigned& n) const {
    const unsigned p = unicode::properties(unicode::decode(begin_ + i, n));
    return p & 7u;  // letter, number and space are the low bits of both
  }
  static_assert(int(unicode::letter) == scan_letter && int(unicode::number) == scan_number &&
                int(unicode::space) == scan_space);

  const char* begin_;
  const char* end_;
};

/// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
inline std::size_t next_gpt2(const scan_cursor& s, std::size_t i) {
  if (s.ascii(i, '\''))
    if (const auto n = s.contraction(i, false)) return i + n;
  unsigned n;
  unsigned c = s.at(i, n);
  std::size_t body = i;
  if (s.ascii(i, ' ') && i + 1 < s.size()) {
    const unsigned next = s.at(i + 1, n);
    if (!(next & scan_space)) c = next, body = i + 1;
  }
  if (c & scan_letter) return s.run(body + n, scan_letter);
  if (c & scan_number) return s.run(body + n, scan_number);
  if (c == scan_other) return s.run_of_others(body + n);
  return s.white_space(i);
}

/// (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,DIGITS}|
/// ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
template <int Digits>
std::size_t next_llama3(const scan_cursor& s, std::size_t i) {
  if (s.ascii(i, '\''))
    if (const auto n = s.contraction(i, true)) return i + n;
  unsigned n;
  const unsigned c = s.at(i, n);
  if (c & scan_letter) return s.run(i + n, scan_letter);
  if (c & scan_number) {
    i += n;
    for (int k = 1; k < Digits && i < s.size() && (s.at(i, n) & scan_number); ++k) i += n;
    return i;
  }
  if (!(c & scan_newline) && s.starts(i + n, scan_letter)) return s.run(i + n, scan_letter);
  if (c == scan_other) return s.newlines(s.run_of_others(i + n));
  if (s.ascii(i, ' ') && s.starts_other(i + 1)) return s.newlines(s.run_of_others(i + 1));
  if (const auto end = s.to_last_newline(i); end > i) return end;
  return s.white_space(i);
}

/// Calls emit(begin, end) for each piece; the pieces cover `text` (well-formed UTF-8) without gaps.
template <class Emit>
void scan(split_pattern pattern, std::string_view text, Emit emit) {
  const scan_cursor s(text);
  const auto all = [&](auto next) {
    for (std::size_t i = 0; i < text.size();) {
      const std::size_t end = next(s, i);
      emit(i, end);
      i = end;
    }
  };
  switch (pattern) {
    case split_pattern::gpt2:
      return all([](const scan_cursor& c, std::size_t i) { return next_gpt2(c, i); });
    case split_pattern::llama3:
      return all([](const scan_cursor& c, std::size_t i) { return next_llama3<3>(c, i); });
    case split_pattern::qwen2:
      return all([](const scan_cursor& c, std::size_t i) { return next_llama3<1>(c, i); });
  }
}

}  // namespace hft::detail
