// Digits: numbers apart from what surrounds them, whole or digit by digit.
#pragma once
#include <hft/tokenizers/pre_tokenizers/pre_tokenizer.hpp>

namespace hft::pre_tokenizers {

struct Digits final : PreTokenizer {
  bool individual_digits = false;

  void pre_tokenize(PreTokenizedString& text) const override {
    text.split_at(detail::unicode::numeric,
                  individual_digits ? SplitDelimiterBehavior::Isolated : SplitDelimiterBehavior::Contiguous);
  }
};

}  // namespace hft::pre_tokenizers
