// Metaspace: spaces become a visible character (usually U+2581), and words are cut before it.
#pragma once
#include <string>
#include <utility>

#include <hft/tokenizers/pattern.hpp>
#include <hft/tokenizers/pre_tokenizers/pre_tokenizer.hpp>

namespace hft {

/// Where Metaspace puts its character before a text: before every part, the start of the input, or nowhere.
enum class PrependScheme { Always, First, Never };

namespace pre_tokenizers {

struct Metaspace final : PreTokenizer {
  std::string replacement = "\xe2\x96\x81";  // one character
  PrependScheme prepend_scheme = PrependScheme::Always;
  bool split = true;

  void pre_tokenize(PreTokenizedString& text) const override {
    const Pattern space = Pattern::literal(" "), mark = Pattern::literal(replacement);
    text.split([&](NormalizedString& part) {
      part.replace(space.find(part.get()), replacement);
      const bool wanted = prepend_scheme == PrependScheme::Always ||
                          (prepend_scheme == PrependScheme::First && part.original_shift() == 0);
      if (wanted && !part.get().starts_with(replacement)) part.prepend(replacement);
      if (!split) return text.emit({std::move(part)});
      text.emit(part, mark.find(part.get()), SplitDelimiterBehavior::MergedWithNext);
    });
  }
};

}  // namespace pre_tokenizers
}  // namespace hft
