// BertNormalizer: cleans control characters and spaces, sets CJK characters apart, strips accents, lowercases.
#pragma once
#include <optional>
#include <vector>

#include <hft/tokenizers/normalizers/normalizer.hpp>
#include <hft/tokenizers/normalizers/unicode.hpp>

namespace hft {
namespace detail {

/// The CJK ideographs as BERT counts them. (Its list says U+2B920 where U+2B820 was meant; so do we.)
constexpr bool is_bert_cjk(char32_t c) {
  return (c >= 0x4e00 && c <= 0x9fff) || (c >= 0x3400 && c <= 0x4dbf) || (c >= 0x20000 && c <= 0x2a6df) ||
         (c >= 0x2a700 && c <= 0x2b73f) || (c >= 0x2b740 && c <= 0x2b81f) || (c >= 0x2b920 && c <= 0x2ceaf) ||
         (c >= 0xf900 && c <= 0xfaff) || (c >= 0x2f800 && c <= 0x2fa1f);
}

}  // namespace detail

namespace normalizers {

struct BertNormalizer final : Normalizer {
  bool clean_text = true;
  bool handle_chinese_chars = true;
  std::optional<bool> strip_accents = {};  // none: where lowercase is set
  bool lowercase = true;

  void normalize(NormalizedString& text) const override {
    using namespace detail::unicode;
    if (clean_text) {
      text.filter([](char32_t c) { return !is(c, cleaned); });
      text.map([](char32_t c) { return is(c, space) ? U' ' : c; });
    }
    if (handle_chinese_chars) {
      std::vector<char_change> dest;
      dest.reserve(text.size());
      for_each(text.get(), [&](char32_t c, std::size_t, unsigned) {
        if (detail::is_bert_cjk(c)) {
          dest.push_back({U' ', 0});
          dest.push_back({c, 1});
          dest.push_back({U' ', 1});
        } else {
          dest.push_back({c, 0});
        }
      });
      text.transform(dest);
    }
    if (strip_accents.value_or(lowercase)) {
      text.transform(detail::decomposed(text.get(), false));
      text.filter([](char32_t c) { return !is(c, nonspacing_mark); });
    }
    if (lowercase) text.lowercase();
  }
};

}  // namespace normalizers
}  // namespace hft
