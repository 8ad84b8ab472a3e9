// RelativeEmbeddings: beside the tokens' rows a table for attention to relative positions (He et al. 2020, arXiv
// 2006.03654).
#pragma once
#include <numeric>
#include <optional>

#include <hft/layers/text_embeddings.hpp>

namespace hft {

struct RelativeEmbeddingsOptions : TextEmbeddingsOptions {
  isize sum_projected_size = 0;  // to which a linear layer without bias brings the sum; 0: there is none
  isize relative_positions = 0;  // rows of the table; 0: there is none
  std::optional<NormOptions> relative_norm = {};
};

/// TextEmbeddings whose sum is projected before its norm, and whose context has the table as its source. Checkpoint
/// names: those of TextEmbeddings, project_sum, embed_relative, relative_norm.
/// (transformers.models.deberta_v2.DebertaV2Embeddings, DebertaV2Encoder)
template <class B>
class RelativeEmbeddings : public TextEmbeddings<B> {
 public:
  using options = RelativeEmbeddingsOptions;

  explicit RelativeEmbeddings(const RelativeEmbeddingsOptions& o) : TextEmbeddings<B>(o) {
    const isize C = o.sum_projected_size ? o.sum_projected_size : o.hidden_size;
    if (o.sum_projected_size) project_sum.emplace(o.hidden_size, C);
    if (o.relative_positions) embed_relative.emplace(o.relative_positions, C);
    if (o.relative_norm) relative_norm.emplace(*o.relative_norm);
  }

  /// Tokens (B,T) => (B,T,C), and the table (1,P,C) in the context
  template <class Context>
  auto operator()(const TextInputs& in, Context& context) const {
    auto x = this->sum(this->projected(this->tokens(in, context)), in, context);
    if (project_sum) x = (*project_sum)(x);
    x = this->finish(x, context);
    if (embed_relative) {
      Tensor<i64, 2> all({1, embed_relative->weight.extent(0)});
      std::iota(all.data(), all.data() + all.size(), 0);
      context.source.states = (*embed_relative)(all);
      if (relative_norm) context.source.states = (*relative_norm)(context.source.states);
    }
    return x;
  }
  void visit(visitor& v) {
    TextEmbeddings<B>::visit(v);
    v("project_sum", project_sum);
    v("embed_relative", embed_relative);
    v("relative_norm", relative_norm);
  }

  std::optional<typename B::linear> project_sum;
  std::optional<Embedding<B>> embed_relative;
  std::optional<LayerNorm<B>> relative_norm;
};

}  // namespace hft
