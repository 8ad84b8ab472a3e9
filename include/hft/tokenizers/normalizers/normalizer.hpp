// The interface of normalizers: they edit a text before it is cut into pieces.
#pragma once
#include <hft/tokenizers/normalized_string.hpp>

namespace hft::normalizers {

class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual void normalize(NormalizedString& text) const = 0;
};

}  // namespace hft::normalizers
