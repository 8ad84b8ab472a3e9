// BertPreTokenizer: white space separates words, each punctuation character is a word of its own.
#pragma once
#include <hft/tokenizers/pre_tokenizers/pre_tokenizer.hpp>

namespace hft::pre_tokenizers {

struct BertPreTokenizer final : PreTokenizer {
  void pre_tokenize(PreTokenizedString& text) const override {
    text.split_at(detail::unicode::space, SplitDelimiterBehavior::Removed);
    text.split_at(detail::unicode::punctuation, SplitDelimiterBehavior::Isolated);
  }
};

}  // namespace hft::pre_tokenizers
