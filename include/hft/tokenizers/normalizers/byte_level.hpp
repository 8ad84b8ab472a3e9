// ByteLevel: spells bytes as printable characters before anything is split.
#pragma once
#include "../pre_tokenizers/byte_level.hpp"
#include "normalizer.hpp"

namespace hft::normalizers {

struct ByteLevel final : Normalizer {
  void normalize(NormalizedString& text) const override {
    if (!text.empty()) detail::spell_bytes(text);
  }
};

}  // namespace hft::normalizers
