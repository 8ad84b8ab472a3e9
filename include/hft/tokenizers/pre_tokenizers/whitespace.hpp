// Whitespace: runs of word characters and runs of anything else but spaces. WhitespaceSplit: what spaces separate.
#pragma once
#include <hft/tokenizers/pre_tokenizers/pre_tokenizer.hpp>

namespace hft::pre_tokenizers {

/// \w+|[^\w\s]+
struct Whitespace final : PreTokenizer {
  void pre_tokenize(PreTokenizedString& text) const override {
    text.split([&](const NormalizedString& part) {
      using namespace detail::unicode;
      const auto kind = [](char32_t c) { return properties(c) & word ? 1 : properties(c) & space ? 2 : 0; };
      std::size_t begin = 0;
      int current = 2;
      for_each(part.get(), [&](char32_t c, std::size_t i, unsigned) {
        const int k = kind(c);
        if (k == current) return;
        if (current != 2) text.emit({part.slice(begin, i)});
        begin = i, current = k;
      });
      if (current != 2) text.emit({part.slice(begin, part.size())});
    });
  }
};

struct WhitespaceSplit final : PreTokenizer {
  void pre_tokenize(PreTokenizedString& text) const override {
    text.split_at(detail::unicode::space, SplitDelimiterBehavior::Removed);
  }
};

}  // namespace hft::pre_tokenizers
