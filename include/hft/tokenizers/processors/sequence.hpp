// Sequence: one post-processor after the other.
#pragma once
#include <memory>
#include <utility>
#include <vector>

#include <hft/tokenizers/processors/post_processor.hpp>

namespace hft::processors {

struct Sequence final : PostProcessor {
  std::vector<std::unique_ptr<const PostProcessor>> processors;

  std::size_t added_tokens(bool pair) const override {
    std::size_t n = 0;
    for (const auto& p : processors) n += p->added_tokens(pair);
    return n;
  }
  std::vector<Encoding> process(std::vector<Encoding> encodings, bool add_special_tokens) const override {
    for (const auto& p : processors) encodings = p->process(std::move(encodings), add_special_tokens);
    return encodings;
  }
};

}  // namespace hft::processors
