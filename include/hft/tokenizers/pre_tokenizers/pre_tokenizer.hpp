// The interface of pre-tokenizers: they cut a text into the pieces that a model encodes one by one.
#pragma once
#include <hft/tokenizers/pre_tokenized_string.hpp>

namespace hft::pre_tokenizers {

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  virtual void pre_tokenize(PreTokenizedString& text) const = 0;
};

}  // namespace hft::pre_tokenizers
