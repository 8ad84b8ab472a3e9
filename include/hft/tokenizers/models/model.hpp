// The interface of models: they turn one piece of text into tokens of a vocabulary.
#pragma once
#include <optional>
#include <string_view>
#include <vector>

#include <hft/tokenizers/pre_tokenized_string.hpp>
#include <hft/tokenizers/vocabulary.hpp>

namespace hft::models {

class Model {
 public:
  virtual ~Model() = default;
  /// Appends the tokens of `piece` (well-formed UTF-8). Throws value_error where the unknown token is needed and the
  /// vocabulary lacks it.
  virtual void tokenize(std::string_view piece, std::vector<Token>& out) const = 0;
  const Vocabulary& vocabulary() const noexcept { return vocabulary_; }

 protected:
  Vocabulary vocabulary_;
};

}  // namespace hft::models
