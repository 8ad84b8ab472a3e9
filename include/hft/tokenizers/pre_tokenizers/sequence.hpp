// Sequence: one pre-tokenizer after the other.
#pragma once
#include <memory>
#include <vector>

#include <hft/tokenizers/pre_tokenizers/pre_tokenizer.hpp>

namespace hft::pre_tokenizers {

struct Sequence final : PreTokenizer {
  std::vector<std::unique_ptr<const PreTokenizer>> pre_tokenizers;

  void pre_tokenize(PreTokenizedString& text) const override {
    for (const auto& p : pre_tokenizers) p->pre_tokenize(text);
  }
};

}  // namespace hft::pre_tokenizers
