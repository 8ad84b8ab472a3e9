// AutoCrossEncoder: scores of pairs of texts, the model's class found in the folder.
//
//   const auto reranker = AutoCrossEncoder<>::from_pretrained("bge-reranker-v2-m3");
//   const auto hits = reranker.rank("Where is the cat?", documents);
#pragma once
#include <string>
#include <string_view>

#include <hft/auto.hpp>
#include <hft/pipelines/cross_encoder.hpp>

namespace hft {

/// A CrossEncoder whose model is the ...ForSequenceClassification of any architecture of the list, or its
/// ...ForCausalLM where the folder asks a language model. W any_q keeps each weight in the dtype that the file has, or
/// LoadOptions::dtype.
template <class W = any_q, class Archs = default_archs>
struct AutoCrossEncoder {
  using type = CrossEncoder<AnyModel<>>;

  /// Throws what CrossEncoder's throws, and unsupported_error for an architecture outside the list, or without such a
  /// class.
  static type from_pretrained(std::string_view id_or_path, const LoadOptions& options = {}) {
    const bool asks = type::asks(resolve_model(id_or_path, options.revision));
    return type::from_pretrained(id_or_path, options, [&](const std::string& folder) {
      return asks ? AutoModelForCausalLM<W, cpu, Archs>::from_pretrained(folder, options)
                  : AutoModelForSequenceClassification<W, cpu, Archs>::from_pretrained(folder, options);
    });
  }
};

}  // namespace hft
