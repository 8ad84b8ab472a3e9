// SparseEncoder: texts to vectors with a weight for each token of a vocabulary, most of them 0, for an inverted index.
// Formal et al. 2021, arXiv 2107.05720. sentence_transformers/sparse_encoder/model.py
#pragma once
#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/models/bert.hpp>
#include <hft/pipelines/sentence_transformer.hpp>

namespace hft {

/// The features of a vector that are not 0, and their values.
using SparseVector = std::vector<std::pair<isize, f32>>;

/// Of each vector (N,V) its features that are not 0, in their order.
std::vector<SparseVector> sparse_rows(const Tensor<f32, 2>& embeddings);

namespace detail {

/// What a SparseEncoder does beside, whatever its models' class.
class sparse_pipeline : public sentence_pipeline {
 public:
  /// As sentence_pipeline's, but vectors are compared by their product where the folder says nothing else.
  sparse_pipeline(const std::filesystem::path& folder, const SentenceEncoderLoader& loader)
      : sentence_pipeline(folder, loader, {.similarity_fn_name = "dot"}) {}

  /// The tokens that vectors (N,V) have weights for, the heaviest first: top_k of them, or all.
  std::vector<std::vector<std::pair<std::string, f32>>> decode(const Tensor<f32, 2>& embeddings,
                                                               std::optional<isize> top_k = {}) const;
};

}  // namespace detail

/// encode() and its like give (N,V), of which sparse_rows() takes what is not 0. Model is a class whose output has
/// logits (B,T,V): BertForMaskedLM, .... AutoSparseEncoder (auto_sparse_encoder.hpp) finds it in the folder.
template <class Model = BertForMaskedLM<f32>>
class SparseEncoder : public detail::sparse_pipeline {
 public:
  /// A folder with modules.json (see load_sentence_module), or of a model alone. Throws what loading the parts throws,
  /// and unsupported_error for another kind of module, or a Transformer of another task.
  static SparseEncoder from_pretrained(std::string_view id_or_path, const LoadOptions& options = {}) {
    const auto load = [&](const std::string& folder, const std::string&) {
      return std::make_shared<const MaskedLMEncoderOf<Model>>(Model::from_pretrained(folder, options));
    };
    return SparseEncoder(resolve_model(id_or_path, options.revision), {{"fill-mask"}, load});
  }

  SparseEncoder(const std::filesystem::path& folder, const SentenceEncoderLoader& loader)
      : detail::sparse_pipeline(folder, loader) {}
};

#if HFT_DEFINES(MODELS)

HFT_INLINE std::vector<SparseVector> sparse_rows(const Tensor<f32, 2>& embeddings) {
  const auto x = embeddings.dense();
  const isize C = x.extent(1);
  std::vector<SparseVector> out(static_cast<std::size_t>(x.extent(0)));
  for (isize i = 0; i < x.size(); ++i)
    if (x.data()[i] != 0) out[std::size_t(i / C)].emplace_back(i % C, x.data()[i]);
  return out;
}

namespace detail {

HFT_INLINE std::vector<std::vector<std::pair<std::string, f32>>> sparse_pipeline::decode(
    const Tensor<f32, 2>& embeddings, std::optional<isize> top_k) const {
  if (top_k && *top_k < 1) throw value_error("SparseEncoder", "top_k", "1 or more", joined(*top_k));
  std::vector<std::vector<std::pair<std::string, f32>>> out;
  for (auto& row : sparse_rows(embeddings)) {
    std::stable_sort(row.begin(), row.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
    if (top_k && *top_k < isize(row.size())) row.resize(std::size_t(*top_k));
    auto& tokens = out.emplace_back();
    for (const auto& [id, weight] : row)
      tokens.emplace_back(tokenizer().convert_ids_to_tokens(id).value_or(""), weight);
  }
  return out;
}

}  // namespace detail

#endif  // HFT_DEFINES

}  // namespace hft
