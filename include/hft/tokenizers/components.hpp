// The stages of a tokenizer, as its file or a program names them, before they are a pipeline.
#pragma once
#include <memory>
#include <optional>
#include <vector>

#include <hft/tokenizers/added_vocabulary.hpp>
#include <hft/tokenizers/decoders/decoder.hpp>
#include <hft/tokenizers/encoding.hpp>
#include <hft/tokenizers/models/model.hpp>
#include <hft/tokenizers/normalizers/normalizer.hpp>
#include <hft/tokenizers/pre_tokenizers/pre_tokenizer.hpp>
#include <hft/tokenizers/processors/post_processor.hpp>

namespace hft::detail {

/// The stages of a tokenizer, which copies share; all but the model may be absent.
struct tokenizer_components {
  std::shared_ptr<const normalizers::Normalizer> normalizer;
  std::shared_ptr<const pre_tokenizers::PreTokenizer> pre_tokenizer;
  std::shared_ptr<const models::Model> model;
  std::shared_ptr<const processors::PostProcessor> post_processor;
  std::shared_ptr<const decoders::Decoder> decoder;
  std::vector<AddedToken> added_tokens;
  std::optional<TruncationParams> truncation;
  std::optional<PaddingParams> padding;
};

}  // namespace hft::detail
