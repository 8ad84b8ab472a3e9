// WordPiece (Schuster & Nakajima 2012; BERT): the longest token that fits, again and again; a word that cannot be
// covered is the unknown token as a whole.
#pragma once
#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/error.hpp>
#include <hft/tokenizers/models/model.hpp>

namespace hft::models {

class WordPiece final : public Model {
 public:
  WordPiece(Vocabulary vocabulary, std::string unk_token, std::string continuing_subword_prefix,
            std::size_t max_input_chars_per_word)
      : unk_token_(std::move(unk_token)),
        prefix_(std::move(continuing_subword_prefix)),
        max_input_chars_per_word_(max_input_chars_per_word) {
    vocabulary_ = std::move(vocabulary);
    vocabulary_.for_each([this](std::string_view token, std::uint32_t) {
      if (!token.starts_with(prefix_)) return;
      longest_continuation_ = std::max(longest_continuation_, token.size() - prefix_.size());
    });
  }

  const std::string& unk_token() const noexcept { return unk_token_; }
  const std::string& continuing_subword_prefix() const noexcept { return prefix_; }
  std::size_t max_input_chars_per_word() const noexcept { return max_input_chars_per_word_; }

  void tokenize(std::string_view piece, std::vector<Token>& out) const override {
    const std::size_t before = out.size();
    if (detail::unicode::count(piece) <= max_input_chars_per_word_ && cover(piece, out)) return;
    out.resize(before);
    const auto id = vocabulary_.find(unk_token_);
    if (!id) throw value_error("WordPiece", "unknown word", "unk_token in the vocabulary", "'" + unk_token_ + "'");
    out.push_back({*id, 0, piece.size()});
  }

 private:
  bool cover(std::string_view piece, std::vector<Token>& out) const {
    std::string spelled;
    for (std::size_t start = 0; start < piece.size();) {
      // No token is longer than the longest: this, not the piece, bounds the work.
      std::size_t end = start + std::min(piece.size() - start, start ? longest_continuation_ : vocabulary_.longest());
      while (end < piece.size() && end > start && detail::unicode::is_continuation(piece[end])) --end;
      std::optional<std::uint32_t> id;
      while (start < end) {
        std::string_view candidate = piece.substr(start, end - start);
        if (start > 0) {
          spelled = prefix_;
          spelled += candidate;
          candidate = spelled;
        }
        if ((id = vocabulary_.find(candidate))) break;
        do --end;
        while (end > start && detail::unicode::is_continuation(piece[end]));
      }
      if (!id) return false;
      out.push_back({*id, start, end});
      start = end;
    }
    return true;
  }

  std::string unk_token_, prefix_;
  std::size_t max_input_chars_per_word_, longest_continuation_ = 0;
};

}  // namespace hft::models
