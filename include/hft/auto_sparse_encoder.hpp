// AutoSparseEncoder: texts to vectors over a vocabulary, the model's class found in the folder.
//
//   const auto embedder = AutoSparseEncoder<>::from_pretrained("splade-v3");
//   const auto weights = embedder.decode(embedder.encode_query({"Where is the cat?"}), 10);
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include <hft/auto.hpp>
#include <hft/pipelines/sparse_encoder.hpp>

namespace hft {

/// A SparseEncoder whose Transformers are of any architecture of the list: its ...ForMaskedLM, or for a
/// SparseAutoEncoder behind it what AutoSentenceTransformer takes. W any_q keeps each weight in the dtype that the file
/// has, or LoadOptions::dtype.
template <class W = any_q, class Archs = default_archs>
struct AutoSparseEncoder {
  using type = SparseEncoder<AnyModel<>>;

  /// Throws what SparseEncoder's throws, and unsupported_error for an architecture outside the list, or without such a
  /// class.
  static type from_pretrained(std::string_view id_or_path, const LoadOptions& options = {}) {
    const auto load = [&](const std::string& folder,
                          const std::string& task) -> std::shared_ptr<const SentenceEncoder> {
      if (task == "fill-mask")
        return std::make_shared<const MaskedLMEncoderOf<AnyModel<>>>(
            AutoModelForMaskedLM<W, cpu, Archs>::from_pretrained(folder, options));
      return std::make_shared<const SentenceEncoderOf<AnyModel<>>>(
          AutoEncoder<W, cpu, Archs>::from_pretrained(folder, options));
    };
    return type(resolve_model(id_or_path, options.revision), {{"fill-mask", "feature-extraction"}, load});
  }
};

}  // namespace hft
