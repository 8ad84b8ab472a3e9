// WordLevelTrainer: the most frequent words.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <stop_token>
#include <string_view>
#include <vector>

#include <hft/tokenizers/models/wordlevel.hpp>
#include <hft/tokenizers/trainers/trainer.hpp>

namespace hft::trainers {

/// tokenizers' WordLevelTrainer: special tokens, then words, the most frequent first and of equally frequent ones the
/// smaller by its bytes. A word that is a special token, too, takes a place of its own and has that id.
struct WordLevelTrainer {
  std::size_t vocab_size = 30000;  // special tokens included; of these, too, no more are kept
  std::uint64_t min_frequency = 0;
  std::vector<SpecialToken> special_tokens = {};
  progress_callback progress = {};
  std::stop_token stop = {};

  /// Keeps the model's unk_token.
  std::shared_ptr<const models::Model> train(const word_counts& words, const models::Model& model) const {
    const auto& old = detail::model_to_train<models::WordLevel>(model, "WordLevelTrainer", "WordLevel");
    std::vector<const word_counts::value_type*> order;
    for (const auto& w : words)
      if (w.second >= min_frequency) order.push_back(&w);
    std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) { return a->second > b->second; });
    std::vector<std::string_view> tokens;
    for (const auto& t : special_tokens) tokens.push_back(t.content);
    for (const auto* w : order) tokens.push_back(w->first);
    if (tokens.size() > vocab_size) tokens.resize(vocab_size);

    Vocabulary vocabulary;  // the last of equal tokens counts, so the last come first
    for (std::size_t id = tokens.size(); id-- > 0;) vocabulary.insert(tokens[id], std::uint32_t(id));
    vocabulary.finish();
    return std::make_shared<models::WordLevel>(std::move(vocabulary), old.unk_token());
  }
};

}  // namespace hft::trainers
