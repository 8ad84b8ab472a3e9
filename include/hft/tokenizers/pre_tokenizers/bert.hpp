// BertPreTokenizer: white space separates words, each punctuation character is a word of its own.
#pragma once
#include <hft/tokenizers/pre_tokenizers/pre_tokenizer.hpp>

namespace hft::pre_tokenizers {

struct BertPreTokenizer final : PreTokenizer {
  void pre_tokenize(PreTokenizedString& text) const override {
    using namespace detail;
    text.split(
        [](std::string_view s) { return find_chars(s, [](char32_t c) { return unicode::is(c, unicode::space); }); },
        SplitDelimiterBehavior::Removed);
    text.split(
        [](std::string_view s) {
          return find_chars(s, [](char32_t c) { return unicode::is(c, unicode::punctuation); });
        },
        SplitDelimiterBehavior::Isolated);
  }
};

}  // namespace hft::pre_tokenizers
