// WordLevel: a piece is a token, or the unknown token.
#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/tokenizers/models/model.hpp>

namespace hft::models {

class WordLevel final : public Model {
 public:
  WordLevel(Vocabulary vocabulary, std::string unk_token) : unk_token_(std::move(unk_token)) {
    vocabulary_ = std::move(vocabulary);
  }

  const std::string& unk_token() const noexcept { return unk_token_; }

  void tokenize(std::string_view piece, std::vector<Token>& out) const override {
    auto id = vocabulary_.find(piece);
    if (!id) id = vocabulary_.find(unk_token_);
    if (!id) throw value_error("WordLevel", "unknown word", "unk_token in the vocabulary", "'" + unk_token_ + "'");
    out.push_back({*id, 0, piece.size()});
  }

 private:
  std::string unk_token_;
};

}  // namespace hft::models
