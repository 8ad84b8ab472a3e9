// CharDelimiterSplit: cuts a text at a character, which vanishes.
#pragma once
#include <string>

#include <hft/tokenizers/pattern.hpp>
#include <hft/tokenizers/pre_tokenizers/pre_tokenizer.hpp>

namespace hft::pre_tokenizers {

struct CharDelimiterSplit final : PreTokenizer {
  std::string delimiter = " ";  // one character

  void pre_tokenize(PreTokenizedString& text) const override {
    const Pattern mark = Pattern::literal(delimiter);
    text.split(
        [&](const NormalizedString& part) { text.emit(part, mark.find(part.get()), SplitDelimiterBehavior::Removed); });
  }
};

}  // namespace hft::pre_tokenizers
