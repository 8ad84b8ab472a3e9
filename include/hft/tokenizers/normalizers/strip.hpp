// Strip: drops white space at the ends. StripAccents: drops combining marks.
#pragma once
#include <hft/tokenizers/normalizers/normalizer.hpp>

namespace hft::normalizers {

struct Strip final : Normalizer {
  bool strip_left = true, strip_right = true;
  void normalize(NormalizedString& text) const override { text.strip(strip_left, strip_right); }
};

struct StripAccents final : Normalizer {
  void normalize(NormalizedString& text) const override {
    text.filter([](char32_t c) { return !detail::unicode::is(c, detail::unicode::combining_mark); });
  }
};

}  // namespace hft::normalizers
