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
#include <hft/tokenizers/pre_tokenizers/oniguruma.hpp>

namespace hft::detail {

/// A pattern written for Oniguruma, as the tokenizers library compiles it. Matching is bounded in steps and memory: a
/// pattern that exceeds the bounds on some text throws.
class regex {
 public:
  /// Throws format_error, naming `where`, for a pattern that does not compile.
  regex(std::string_view text, const std::string& where) : where_(where) {
    const std::string pattern = oniguruma_to_pcre2::rewrite(text, where);
    int code = 0;
    PCRE2_SIZE at = 0;
    // Oniguruma's ^ and $ match at line feeds.
    const std::uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C | PCRE2_DUPNAMES;
    const std::unique_ptr<pcre2_compile_context, release> context(pcre2_compile_context_create(nullptr));
    pcre2_set_parens_nest_limit(context.get(), 200);
    pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
    pcre2_set_bsr(context.get(), PCRE2_BSR_UNICODE);
    code_.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), options, &code, &at,
                              context.get()));
    if (!code_) throw format_error(where, "regular expression", "one that compiles", message(code));
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
