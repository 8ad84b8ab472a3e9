// Punctuation: splits at punctuation characters.
#pragma once
#include <hft/tokenizers/pre_tokenizers/pre_tokenizer.hpp>

namespace hft::pre_tokenizers {

struct Punctuation final : PreTokenizer {
  SplitDelimiterBehavior behavior = SplitDelimiterBehavior::Isolated;

  void pre_tokenize(PreTokenizedString& text) const override { text.split_at(detail::unicode::punctuation, behavior); }
};

}  // namespace hft::pre_tokenizers
