// FixedLength: pieces of so many characters each.
#pragma once
#include <cstddef>

#include <hft/tokenizers/pre_tokenizers/pre_tokenizer.hpp>

namespace hft::pre_tokenizers {

struct FixedLength final : PreTokenizer {
  std::size_t length = 5;  // at least 1

  void pre_tokenize(PreTokenizedString& text) const override {
    text.split([&](const NormalizedString& part) {
      std::size_t begin = 0, count = 0;
      detail::unicode::for_each(part.get(), [&](char32_t, std::size_t i, unsigned) {
        if (count == length) text.emit({part.slice(begin, i)}), begin = i, count = 0;
        ++count;
      });
      text.emit({part.slice(begin, part.size())});
    });
  }
};

}  // namespace hft::pre_tokenizers
