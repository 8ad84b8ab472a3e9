// UnicodeScripts: cuts a text where the script changes. Hiragana, Katakana and Han are one script, as in SentencePiece.
#pragma once
#include <cstddef>
#include <string_view>

#include <hft/tokenizers/pre_tokenizers/pre_tokenizer.hpp>
#include <hft/tokenizers/unicode_segmentation.hpp>

namespace hft::pre_tokenizers {

struct UnicodeScripts final : PreTokenizer {
  void pre_tokenize(PreTokenizedString& text) const override {
    text.split([&](const NormalizedString& part) {
      // Spaces and what has no script go with what is before them. At the start there is nothing: as in the library
      // they are lost.
      std::size_t begin = 0;
      unsigned last = 0;
      detail::unicode::for_each(part.get(), [&](char32_t c, std::size_t i, unsigned) {
        const unsigned script = detail::unicode::script(c);
        if (script == 0 || script == last) return;
        if (last != 0) text.emit({part.slice(begin, i)});
        begin = i, last = script;
      });
      if (last != 0) text.emit({part.slice(begin, part.size())});
    });
  }
};

}  // namespace hft::pre_tokenizers
