// Split: cuts a text where a pattern matches, or, inverted, where it does not.
#pragma once
#include <utility>

#include <hft/tokenizers/pattern.hpp>
#include <hft/tokenizers/pre_tokenizers/pre_tokenizer.hpp>

namespace hft::pre_tokenizers {

struct Split final : PreTokenizer {
  Pattern pattern;
  SplitDelimiterBehavior behavior = SplitDelimiterBehavior::Isolated;
  bool invert = false;

  void pre_tokenize(PreTokenizedString& text) const override {
    text.split([&](const NormalizedString& part) {
      auto matches = pattern.find(part.get());
      if (invert)
        for (auto& m : matches) m.is_match = !m.is_match;
      text.emit(part, std::move(matches), behavior);
    });
  }
};

}  // namespace hft::pre_tokenizers
