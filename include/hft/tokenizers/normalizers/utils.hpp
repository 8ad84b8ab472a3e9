// Lowercase, and Sequence: one normalizer after the other.
#pragma once
#include <memory>
#include <vector>

#include <hft/tokenizers/normalizers/normalizer.hpp>

namespace hft::normalizers {

struct Lowercase final : Normalizer {
  void normalize(NormalizedString& text) const override { text.lowercase(); }
};

struct Sequence final : Normalizer {
  std::vector<std::unique_ptr<const Normalizer>> normalizers;
  void normalize(NormalizedString& text) const override {
    for (const auto& n : normalizers) n->normalize(text);
  }
};

}  // namespace hft::normalizers
