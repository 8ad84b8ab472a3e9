// ByteLevel: spells bytes as printable characters before anything is split.
#pragma once
#include <hft/tokenizers/normalizers/normalizer.hpp>
#include <hft/tokenizers/pre_tokenizers/byte_level.hpp>

namespace hft::normalizers {

struct ByteLevel final : Normalizer {
  void normalize(NormalizedString& text) const override {
    if (!text.empty()) detail::spell_bytes(text);
  }
};

}  // namespace hft::normalizers
