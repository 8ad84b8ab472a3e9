// The split patterns of well-known models as hand-written scanners: one pass, no backtracking, no allocation.
// Each is equal to its regular expression as Oniguruma reads it; any other pattern goes through regex.hpp.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <hft/tokenizers/unicode.hpp>

namespace hft::detail {

enum class split_pattern : std::uint8_t { gpt2, llama3, qwen2, qwen3_5, o200k, tekken };

inline constexpr std::string_view gpt2_pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

/// Regular expressions and their scanners.
struct known_regex {
  std::string_view regex;
  split_pattern pattern;
};
inline constexpr known_regex known_regexes[] = {
    {gpt2_pattern, split_pattern::gpt2},
    {R"('(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)", split_pattern::gpt2},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     split_pattern::llama3},
    {R"('(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+)",
     split_pattern::llama3},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     split_pattern::qwen2},
    {R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     split_pattern::qwen3_5},
    {R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     split_pattern::o200k},
    {R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)",
     split_pattern::tekken},
};

/// The scanner of a regular expression, where there is one.
inline std::optional<split_pattern> known_pattern(std::string_view regex) {
  for (const auto& k : known_regexes)
    if (k.regex == regex) return k.pattern;
  return {};
}
/// A regular expression that the scanner does the work of.
constexpr std::string_view regex_of(split_pattern pattern) {
  for (const auto& k : known_regexes)
    if (k.pattern == pattern) return k.regex;
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

struct ascii_scan_properties {
  std::uint16_t of[128] = {};
  constexpr ascii_scan_properties() {
    for (std::size_t c = 0; c < 128; ++c) of[c] = unicode::property_bits[unicode::class_of[unicode::block_of[0]][c]];
  }
};
inline constexpr ascii_scan_properties ascii_properties{};

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

  /// All property bits of the character at i < size().
  unsigned properties(std::size_t i, unsigned& n) const {
    const auto lead = static_cast<unsigned char>(begin_[i]);
    if (lead < 0x80) {
      n = 1;
      return ascii_properties.of[lead];
    }
    return unicode::properties(unicode::decode(begin_ + i, n));
  }
  /// The end of the run of characters from i that have a property of `mask`, or none of it.
  std::size_t run_with(std::size_t i, unsigned mask, bool with = true) const {
    for (unsigned n; i < size(); i += n)
      if (((properties(i, n) & mask) != 0) != with) break;
    return i;
  }
  bool starts_with(std::size_t i, unsigned mask, bool with = true) const {
    unsigned n;
    return i < size() && ((properties(i, n) & mask) != 0) == with;
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

  bool newline(std::size_t i) const { return ascii(i, '\n') || ascii(i, '\r'); }
  std::size_t newlines(std::size_t i) const {
    while (newline(i)) ++i;
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

/// The same with one digit and with marks among the letters, [\p{L}\p{M}]+ and [^\s\p{L}\p{M}\p{N}]+.
inline std::size_t next_qwen3_5(const scan_cursor& s, std::size_t i) {
  using namespace unicode;
  constexpr unsigned of_words = letter | mark, of_others = space | letter | mark | number;
  if (s.ascii(i, '\''))
    if (const auto n = s.contraction(i, true)) return i + n;
  unsigned n;
  const unsigned c = s.properties(i, n);
  if (c & of_words) return s.run_with(i + n, of_words);
  if (c & number) return i + n;
  if (!s.newline(i) && s.starts_with(i + n, of_words)) return s.run_with(i + n, of_words);
  if (!(c & space)) return s.newlines(s.run_with(i + n, of_others, false));
  if (s.ascii(i, ' ') && s.starts_with(i + 1, of_others, false)) return s.newlines(s.run_with(i + 1, of_others, false));
  if (const auto end = s.to_last_newline(i); end > i) return end;
  return s.white_space(i);
}

/// Where words in o200k's sense end that start at i: capitals then small letters, UPPER*lower+ (`any`, 0 where there is
/// none), and else UPPER+lower* (`capitals`). Letters without case and marks are both.
struct cased_words {
  std::size_t any = 0, capitals = 0;
  cased_words(const scan_cursor& s, std::size_t i) {
    using namespace unicode;
    constexpr unsigned caseless = other_letter | mark;
    std::size_t at = i, after_caseless = 0;
    unsigned n = 0, c = 0;
    for (; at < s.size(); at += n) {
      c = s.properties(at, n);
      if (!(c & (upper_or_title | caseless))) break;
      if (c & caseless) after_caseless = at + n;
    }
    // UPPER* gives back as little as leaves one character for lower+.
    any = at < s.size() && (c & lower) ? s.run_with(at, lower | caseless) : after_caseless;
    if (at > i) capitals = at;
  }
};

/// [^\r\n\p{L}\p{N}]?UPPER*lower+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?UPPER+lower*(?i:'s|...)?|\p{N}{1,DIGITS}|
/// ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+
template <int Digits, bool Contractions>
std::size_t next_o200k(const scan_cursor& s, std::size_t i) {
  using namespace unicode;
  unsigned n;
  const unsigned c = s.properties(i, n);
  if (c & number) {
    i += n;
    for (int k = 1; k < Digits && i < s.size() && (s.properties(i, n) & number); ++k) i += n;
    return i;
  }
  std::size_t word = 0;
  if (c & letter) {
    const cased_words w(s, i);
    word = w.any ? w.any : w.capitals;
  } else if (!s.newline(i)) {
    const cased_words w(s, i + n);
    word = w.any ? w.any : c & mark ? cased_words(s, i).any : w.capitals;
  }
  if (word) return Contractions && s.ascii(word, '\'') ? word + s.contraction(word, true) : word;
  constexpr unsigned of_others = space | letter | number;
  std::size_t others = c & space ? i : i + n;
  if (s.ascii(i, ' ') && s.starts_with(i + 1, of_others, false)) others = i + 1;
  if (others > i) {
    others = s.run_with(others, of_others, false);
    while (s.newline(others) || s.ascii(others, '/')) ++others;
    return others;
  }
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
    case split_pattern::qwen3_5:
      return all([](const scan_cursor& c, std::size_t i) { return next_qwen3_5(c, i); });
    case split_pattern::o200k:
      return all([](const scan_cursor& c, std::size_t i) { return next_o200k<3, true>(c, i); });
    case split_pattern::tekken:
      return all([](const scan_cursor& c, std::size_t i) { return next_o200k<1, false>(c, i); });
  }
}

}  // namespace hft::detail
