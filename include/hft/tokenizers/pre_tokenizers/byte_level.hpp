// ByteLevel: splits as GPT-2 does and spells bytes as printable characters (byte_alphabet.hpp).
#pragma once
#include <utility>
#include <vector>

#include <hft/tokenizers/byte_alphabet.hpp>
#include <hft/tokenizers/pattern.hpp>
#include <hft/tokenizers/pre_tokenizers/pre_tokenizer.hpp>

namespace hft {
namespace detail {

/// Spells each byte of the text as a character.
inline void spell_bytes(NormalizedString& text) {
  std::vector<char_change> dest;
  dest.reserve(text.size());
  for (char c : text.get())
    dest.push_back({byte_alphabet.to_char[static_cast<unsigned char>(c)], unicode::is_continuation(c)});
  text.transform(dest);
}

}  // namespace detail

namespace pre_tokenizers {

struct ByteLevel final : PreTokenizer {
  bool add_prefix_space = true;  // a text that does not start with a space gets one
  bool use_regex = true;         // split with GPT-2's pattern
  bool trim_offsets = true;      // a post-processor's setting, which files repeat here

  void pre_tokenize(PreTokenizedString& text) const override {
    const Pattern gpt2 = Pattern::known(detail::split_pattern::gpt2);
    text.split([&](NormalizedString& part) {
      if (add_prefix_space && !part.get().starts_with(' ')) part.prepend(" ");
      if (!use_regex) return text.emit({std::move(part)});
      text.emit(part, gpt2.find(part.get()), SplitDelimiterBehavior::Isolated);
    });
    text.normalize(detail::spell_bytes);
  }
};

}  // namespace pre_tokenizers
}  // namespace hft
