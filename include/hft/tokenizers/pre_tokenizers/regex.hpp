// Regular expressions of tokenizer.json that have no scanner, through PCRE2: the only header that includes it.
#pragma once
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <hft/error.hpp>
#include <hft/tokenizers/pre_tokenized_string.hpp>

namespace hft::detail {

/// A pattern written for Oniguruma (Ruby syntax, as the tokenizers library compiles it). Classes follow PCRE2's
/// Unicode version. Matching is bounded in steps and memory: a pattern that exceeds the bounds on some text throws.
class regex {
 public:
  /// Throws format_error, naming `where`, for a pattern that does not compile.
  regex(std::string_view text, const std::string& where) : where_(where) {
    const std::string pattern = for_pcre2(text);
    int code = 0;
    PCRE2_SIZE at = 0;
    // Ruby's ^ and $ match at line breaks.
    const std::uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;
    const std::unique_ptr<pcre2_compile_context, release> context(pcre2_compile_context_create(nullptr));
    pcre2_set_parens_nest_limit(context.get(), 200);
    code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), options, &code, &at,
                              context.get()));
    if (!code_) throw format_error(where, cat("invalid regular expression at character ", at), "", message(code));
    pcre2_jit_compile(code_.get(), PCRE2_JIT_COMPLETE);  // without a JIT the interpreter runs
    limits_.reset(pcre2_match_context_create(nullptr));
    pcre2_set_match_limit(limits_.get(), 10'000'000);
    pcre2_set_depth_limit(limits_.get(), 100'000);
    pcre2_set_heap_limit(limits_.get(), 64 * 1024);  // KiB
  }

  /// The matches in `text` and what lies between them. An empty match directly after a match does not count.
  std::vector<pattern_match> find(std::string_view text) const {
    std::vector<pattern_match> out;
    const std::unique_ptr<pcre2_match_data, release> data(pcre2_match_data_create_from_pattern(code_.get(), nullptr));
    std::size_t at = 0, previous = 0, last_match = std::string_view::npos;
    while (at <= text.size()) {
      const int rc = pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), at,
                                 PCRE2_NO_UTF_CHECK, data.get(), limits_.get());
      if (rc == PCRE2_ERROR_NOMATCH) break;
      if (rc < 0) throw value_error(where_, "regular expression gave up", "a text it can match", message(rc));
      const PCRE2_SIZE* span = pcre2_get_ovector_pointer(data.get());
      const std::size_t begin = span[0], end = span[1];
      if (end < begin) throw value_error(where_, "regular expression", "a match that ends after its start", "\\K");
      if (begin == end && last_match == end) {
        if (at >= text.size()) break;
        at += unicode::length(static_cast<unsigned char>(text[at]));
        continue;
      }
      at = last_match = end;
      if (previous != begin) out.push_back({previous, begin, false});
      out.push_back({begin, end, true});
      previous = end;
    }
    if (previous != text.size()) out.push_back({previous, text.size(), false});
    return out;
  }

 private:
  // Oniguruma's \s, \w and \b differ from PCRE2's (U+180E is no space, marks are of words), so they are spelled out.
  // Inside a class \S and \W cannot be: there PCRE2's stand.
  static std::string for_pcre2(std::string_view pattern) {
    const std::string spaces =
        R"(\x09-\x0d\x20\x85\xa0\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
    const std::string words =
        R"(\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc}\x{24b6}-\x{24e9}\x{1f130}-\x{1f149}\x{1f150}-\x{1f169}\x{1f170}-\x{1f189})";
    // Outside a class Oniguruma asks Latin-1's own table, where superscripts and fractions are of words.
    const std::string word = "[" + words + R"(\xb2\xb3\xb9\xbc-\xbe])", no_word = "[^" + word.substr(1);
    std::string out;
    bool in_class = false;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
      const char c = pattern[i];
      if (c == '\\' && i + 1 < pattern.size()) {
        const char kind = pattern[++i];
        if (kind == 's') {
          out += in_class ? spaces : "[" + spaces + "]";
        } else if (kind == 'w') {
          out += in_class ? words : word;
        } else if (kind == 'S' && !in_class) {
          out += "[^" + spaces + "]";
        } else if (kind == 'W' && !in_class) {
          out += no_word;
        } else if (kind == 'b' && !in_class) {
          out += "(?:(?<=" + word + ")(?!" + word + ")|(?<!" + word + ")(?=" + word + "))";
        } else {
          out += c;
          out += kind;
        }
        continue;
      }
      if (in_class && c == '[' && pattern.substr(i, 2) == "[:") {  // [:alpha:]
        const auto end = std::min(pattern.find(":]", i + 2), pattern.size() - 2);
        out += pattern.substr(i, end + 2 - i);
        i = end + 1;
        continue;
      }
      out += c;
      if (!in_class && c == '[') {
        in_class = true;
        // A ']' that comes first is a member, not the end.
        if (pattern.substr(i + 1, 1) == "^") out += pattern[++i];
        if (pattern.substr(i + 1, 1) == "]") out += pattern[++i];
      } else if (c == ']') {
        in_class = false;
      }
    }
    return out;
  }
  static std::string message(int code) {
    unsigned char text[160] = {};
    pcre2_get_error_message(code, text, sizeof text);
    return reinterpret_cast<const char*>(text);
  }
  struct release {
    void operator()(pcre2_code* p) const { pcre2_code_free(p); }
    void operator()(pcre2_match_data* p) const { pcre2_match_data_free(p); }
    void operator()(pcre2_match_context* p) const { pcre2_match_context_free(p); }
    void operator()(pcre2_compile_context* p) const { pcre2_compile_context_free(p); }
  };
  std::string where_;
  std::unique_ptr<pcre2_code, release> code_;
  std::unique_ptr<pcre2_match_context, release> limits_;
};

}  // namespace hft::detail
