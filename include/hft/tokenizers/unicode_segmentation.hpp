// Grapheme clusters and scripts, as the tokenizers library sees them.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>

#include <hft/tokenizers/unicode.hpp>
#include <hft/tokenizers/unicode_runs.hpp>

namespace hft::detail::unicode {

template <std::size_t N>
unsigned value_in(const run (&runs)[N], char32_t c) {
  const auto* after = std::upper_bound(runs, runs + N, c, [](char32_t x, const run& r) { return x < r.first; });
  return std::prev(after)->value;
}

/// The script of a character as a number; 0 goes with any other.
inline unsigned script(char32_t c) { return value_in(script_runs, c); }

/// Finds where grapheme clusters (UAX #29) end, character by character. Regional indicators are not paired: nothing
/// here depends on it (unicode_runs.py).
class grapheme_breaker {
 public:
  /// Whether a cluster ends between the last character and c. True for the first character.
  bool operator()(char32_t c) {
    const unsigned now = class_of_character(c);
    const bool joined = joins(c, now);
    emoji_ = now & picture                                ? emoji::picture
             : emoji_ == emoji::picture && c == 0x200d    ? emoji::joiner
             : emoji_ == emoji::picture && (now & extend) ? emoji::picture
                                                          : emoji::none;
    conjunct_ = now & consonant               ? conjunct::consonant
                : conjunct_ == conjunct::none ? conjunct::none
                : now & linker                ? conjunct::linked
                : now & conjunct_extend       ? conjunct_
                                              : conjunct::none;
    last_ = c, last_class_ = now;
    return !joined;
  }

 private:
  enum class emoji { none, picture, joiner };       // a picture and its extensions, and U+200D after them
  enum class conjunct { none, consonant, linked };  // a consonant, and a linker after it
  static constexpr unsigned hangul_lv = 1 << 11, hangul_lvt = 1 << 12;

  static unsigned class_of_character(char32_t c) {
    if (c >= 0xac00 && c <= 0xd7a3) return (c - 0xac00) % 28 == 0 ? hangul_lv : hangul_lvt;
    return value_in(grapheme_runs, c);
  }
  bool joins(char32_t c, unsigned now) const {
    const unsigned before = last_class_;
    if (last_ == U'\r' && c == U'\n') return true;
    if ((before | now) & control) return false;  // before the first character too
    if (now & (extend | spacing) || before & prepend) return true;
    if (before & hangul_l && now & (hangul_l | hangul_v | hangul_lv | hangul_lvt)) return true;
    if (before & (hangul_v | hangul_lv) && now & (hangul_v | hangul_t)) return true;
    if (before & (hangul_t | hangul_lvt) && now & hangul_t) return true;
    return (now & consonant && conjunct_ == conjunct::linked) || (now & picture && emoji_ == emoji::joiner);
  }

  char32_t last_ = 0;
  unsigned last_class_ = control;
  emoji emoji_ = emoji::none;
  conjunct conjunct_ = conjunct::none;
};

/// Calls f(begin, end) for each grapheme cluster of well-formed UTF-8.
template <class F>
void for_each_grapheme(std::string_view text, F f) {
  grapheme_breaker ends;
  std::size_t begin = 0;
  for_each(text, [&](char32_t c, std::size_t i, unsigned) {
    if (ends(c) && i > begin) f(begin, i), begin = i;
  });
  if (begin < text.size()) f(begin, text.size());
}

}  // namespace hft::detail::unicode
