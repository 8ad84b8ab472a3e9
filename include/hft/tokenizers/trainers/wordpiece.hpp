// WordPieceTrainer: the vocabulary that BPE learns, without its merges.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include <hft/tokenizers/models/wordpiece.hpp>
#include <hft/tokenizers/trainers/bpe.hpp>
#include <hft/tokenizers/trainers/trainer.hpp>

namespace hft::trainers {

/// tokenizers' WordPieceTrainer. The options are those of BpeTrainer.
struct WordPieceTrainer {
  std::size_t vocab_size = 30000;
  std::uint64_t min_frequency = 0;
  std::vector<SpecialToken> special_tokens = {};
  std::optional<std::size_t> limit_alphabet = {};
  std::u32string initial_alphabet = {};
  std::optional<std::string> continuing_subword_prefix = "##";
  std::optional<std::string> end_of_word_suffix = {};
  progress_callback progress = {};
  std::stop_token stop = {};

  /// Keeps the model's unk_token and max_input_chars_per_word.
  std::shared_ptr<const models::Model> train(const word_counts& words, const models::Model& model) const {
    const auto& old = detail::model_to_train<models::WordPiece>(model, "WordPieceTrainer", "WordPiece");
    const BpeTrainer bpe{.vocab_size = vocab_size,
                         .min_frequency = min_frequency,
                         .special_tokens = special_tokens,
                         .limit_alphabet = limit_alphabet,
                         .initial_alphabet = initial_alphabet,
                         .continuing_subword_prefix = continuing_subword_prefix,
                         .end_of_word_suffix = end_of_word_suffix,
                         .progress = progress,
                         .stop = stop};
    const auto trained = detail::bpe_training(bpe, words).run();
    return std::make_shared<models::WordPiece>(detail::make_vocabulary(trained.tokens), old.unk_token(),
                                               continuing_subword_prefix.value_or("##"),
                                               old.max_input_chars_per_word());
  }
};

}  // namespace hft::trainers
