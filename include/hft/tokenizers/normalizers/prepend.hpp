// Prepend: puts a text before every input that is not empty.
#pragma once
#include <string>

#include <hft/tokenizers/normalizers/normalizer.hpp>

namespace hft::normalizers {

struct Prepend final : Normalizer {
  std::string prepend;
  void normalize(NormalizedString& text) const override { text.prepend(prepend); }
};

}  // namespace hft::normalizers
