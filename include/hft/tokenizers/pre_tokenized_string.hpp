// A text on its way to tokens: the pieces pre-tokenizers cut it into, each with the tokens found for it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/tokenizers/normalized_string.hpp>

namespace hft {

/// A token of a piece: bytes [begin, end) of the piece's text. `value` is set where it is not the vocabulary's string
/// (an added token that took white space with it).
struct Token {
  std::uint32_t id = 0;
  std::size_t begin = 0, end = 0;
  std::string value = {};
};

/// What happens to the delimiters a pattern finds. For '-' and "the-final--countdown":
/// Removed "the" "final" "countdown"; Isolated "the" "-" "final" "-" "-" "countdown";
/// MergedWithPrevious "the-" "final-" "-" "countdown"; MergedWithNext "the" "-final" "-" "-countdown";
/// Contiguous "the" "-" "final" "--" "countdown".
enum class SplitDelimiterBehavior { Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous };

namespace detail {

/// The pieces that are left of a text after `behavior` is applied to what a pattern found in it.
inline std::vector<pattern_match> apply_behavior(std::vector<pattern_match> matches, SplitDelimiterBehavior behavior) {
  using B = SplitDelimiterBehavior;
  std::vector<pattern_match> out;
  out.reserve(matches.size());
  bool previous = false;
  switch (behavior) {
    case B::Isolated:
      return matches;
    case B::Removed:
      for (const auto& m : matches)
        if (!m.is_match) out.push_back(m);
      break;
    case B::Contiguous:
      for (const auto& m : matches) {
        if (m.is_match == previous && !out.empty()) {
          out.back().end = m.end;
        } else {
          out.push_back(m);
        }
        previous = m.is_match;
      }
      break;
    case B::MergedWithPrevious:
      for (const auto& m : matches) {
        if (m.is_match && !previous && !out.empty()) {
          out.back().end = m.end;
        } else {
          out.push_back(m);
        }
        previous = m.is_match;
      }
      break;
    case B::MergedWithNext:
      for (auto m = matches.rbegin(); m != matches.rend(); ++m) {
        if (m->is_match && !previous && !out.empty()) {
          out.back().begin = m->begin;
        } else {
          out.push_back(*m);
        }
        previous = m->is_match;
      }
      return {out.rbegin(), out.rend()};
  }
  return out;
}

}  // namespace detail

/// The pieces of one input (tokenizers' PreTokenizedString). Pieces that have their tokens already (added tokens) are
/// not touched again; empty pieces vanish.
class PreTokenizedString {
 public:
  struct piece {
    NormalizedString text;
    std::vector<Token> tokens = {};
    bool tokenized = false;
  };
  std::vector<piece> pieces;

  explicit PreTokenizedString(std::string_view text, bool aligned = true) {
    pieces.push_back({NormalizedString(text, aligned)});
  }

  /// Calls cut(NormalizedString&) for each piece without tokens, which emits the parts in order.
  template <class Cut>
  void split(const Cut& cut) {
    split(&cut, [](const void* c, NormalizedString& text) { (*static_cast<const Cut*>(c))(text); });
  }
  void emit(piece&& p) {
    if (!p.text.empty()) pieces.push_back(std::move(p));
  }
  /// Emits the parts of a text where matches say, keeping delimiters as `behavior` says.
  void emit(const NormalizedString& text, std::vector<pattern_match> matches, SplitDelimiterBehavior behavior) {
    for (const auto& m : detail::apply_behavior(std::move(matches), behavior))
      if (m.begin < m.end) emit({text.slice(m.begin, m.end)});
  }
  /// Splits each piece at the characters that have a property (unicode.hpp): each is a delimiter of its own.
  void split_at(unsigned property, SplitDelimiterBehavior behavior) {
    split([&](const NormalizedString& text) {
      std::vector<pattern_match> matches;
      std::size_t last = 0;
      detail::unicode::for_each(text.get(), [&](char32_t c, std::size_t i, unsigned n) {
        if (!detail::unicode::is(c, property)) return;
        if (last < i) matches.push_back({last, i, false});
        matches.push_back({i, i + n, true});
        last = i + n;
      });
      if (last < text.size()) matches.push_back({last, text.size(), false});
      emit(text, std::move(matches), behavior);
    });
  }

  template <class F>
  void normalize(F f) {
    for (auto& p : pieces)
      if (!p.tokenized) f(p.text);
  }

 private:
  // The function is erased: texts are cut in many ways, and by one loop.
  void split(const void* cut, void (*call)(const void*, NormalizedString&)) {
    auto old = std::exchange(pieces, {});
    pieces.reserve(old.size());
    for (auto& p : old) {
      if (p.tokenized) {
        pieces.push_back(std::move(p));
      } else {
        call(cut, p.text);
      }
    }
  }
};

}  // namespace hft
