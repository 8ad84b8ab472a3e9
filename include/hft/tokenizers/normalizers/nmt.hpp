// Nmt: SentencePiece's first step for translation models. Control characters go, unusual spaces become spaces.
#pragma once
#include <hft/tokenizers/normalizers/normalizer.hpp>

namespace hft::normalizers {

struct Nmt final : Normalizer {
  void normalize(NormalizedString& text) const override {
    text.filter([](char32_t c) { return !removed(c); });
    text.map([](char32_t c) { return blank(c) ? U' ' : c; });
  }

 private:
  static constexpr bool removed(char32_t c) {
    return (c >= 0x01 && c <= 0x08) || c == 0x0b || (c >= 0x0e && c <= 0x1f) || c == 0x7f || c == 0x8f || c == 0x9f;
  }
  static constexpr bool blank(char32_t c) {
    return c == 0x09 || c == 0x0a || c == 0x0c || c == 0x0d || c == 0x1680 || (c >= 0x200b && c <= 0x200f) ||
           c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xfeff || c == 0xfffd;
  }
};

}  // namespace hft::normalizers
