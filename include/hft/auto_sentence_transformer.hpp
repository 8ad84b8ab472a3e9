// AutoSentenceTransformer: texts to vectors, the model's class found in the folder.
//
//   const auto embedder = AutoSentenceTransformer<>::from_pretrained("Qwen3-Embedding-0.6B");
//   const auto vectors = embedder.encode_query({"Where is the cat?"});
#pragma once
#include <string>
#include <string_view>

#include <hft/auto.hpp>
#include <hft/pipelines/sentence_transformer.hpp>

namespace hft {

/// A SentenceTransformer whose Transformer is of any architecture of the list, whatever class its config.json names:
/// its encoder or base model, as sentence-transformers has it. W any_q keeps each weight in the dtype that the file
/// has, or LoadOptions::dtype.
template <class W = any_q, class Archs = default_archs>
struct AutoSentenceTransformer {
  using type = SentenceTransformer<AnyModel<>>;

  /// Throws what SentenceTransformer's throws, and unsupported_error for an architecture outside the list.
  static type from_pretrained(std::string_view id_or_path, const LoadOptions& options = {}) {
    return type::from_pretrained(id_or_path, options, [&](const std::string& folder) {
      return AutoEncoder<W, cpu, Archs>::from_pretrained(folder, options);
    });
  }
};

}  // namespace hft
