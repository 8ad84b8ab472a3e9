// What Split and Replace look for: a literal string, a known regular expression, or any other one.
#pragma once
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/tokenizers/pre_tokenizers/regex.hpp>
#include <hft/tokenizers/pre_tokenizers/scanners.hpp>

namespace hft {

/// A pattern of tokenizer.json: {"String": ...} or {"Regex": ...}.
class Pattern {
 public:
  static Pattern literal(std::string text) {
    Pattern p;
    p.text_ = std::move(text);
    return p;
  }
  /// Throws format_error, naming `where`, for an expression that does not compile.
  static Pattern regex(std::string text, const std::string& where) {
    Pattern p;
    p.known_ = detail::known_pattern(text);
    if (!p.known_) p.regex_ = std::make_shared<const detail::regex>(text, where);
    p.text_ = std::move(text);
    return p;
  }

  static Pattern known(detail::split_pattern pattern) {
    Pattern p;
    p.known_ = pattern;
    p.text_ = detail::regex_of(pattern);
    return p;
  }

  /// The matches in `text` (well-formed UTF-8) and what lies between them, in order, covering it.
  std::vector<pattern_match> find(std::string_view text) const {
    std::vector<pattern_match> out;
    if (text.empty()) return {{0, 0, false}};
    if (regex_) return regex_->find(text);
    if (known_) {
      detail::scan(*known_, text, [&](std::size_t begin, std::size_t end) { out.push_back({begin, end, true}); });
      return out;
    }
    if (text_.empty()) {  // an empty match before each character and at the end
      std::size_t last = 0;
      detail::unicode::for_each(text, [&](char32_t, std::size_t i, unsigned n) {
        if (i != 0) out.push_back({last, i, false});
        out.push_back({i, i, true});
        last = i;
        (void)n;
      });
      out.push_back({last, text.size(), false});
      out.push_back({text.size(), text.size(), true});
      return out;
    }
    std::size_t last = 0;
    for (std::size_t at; (at = text.find(text_, last)) != std::string_view::npos; last = at + text_.size()) {
      if (at != last) out.push_back({last, at, false});
      out.push_back({at, at + text_.size(), true});
    }
    if (last != text.size()) out.push_back({last, text.size(), false});
    return out;
  }

  /// The literal string, or the regular expression.
  const std::string& text() const noexcept { return text_; }
  bool is_regex() const noexcept { return regex_ || known_; }
  /// The scanner that does the work, where the expression is a known one.
  std::optional<detail::split_pattern> known() const { return known_; }

 private:
  std::string text_;
  std::optional<detail::split_pattern> known_;
  std::shared_ptr<const detail::regex> regex_;
};

}  // namespace hft
