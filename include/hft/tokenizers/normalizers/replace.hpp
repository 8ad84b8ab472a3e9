// Replace: every match of a pattern becomes a fixed text.
#pragma once
#include <string>

#include <hft/tokenizers/normalizers/normalizer.hpp>
#include <hft/tokenizers/pattern.hpp>

namespace hft::normalizers {

struct Replace final : Normalizer {
  Pattern pattern;
  std::string content;
  void normalize(NormalizedString& text) const override { text.replace(pattern.find(text.get()), content); }
};

}  // namespace hft::normalizers
