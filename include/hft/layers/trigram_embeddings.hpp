// TrigramEmbeddings: tokens whose rows are projected together with their neighbours' (Sun et al. 2020, arXiv
// 2004.02984).
#pragma once
#include <hft/layers/channels.hpp>
#include <hft/layers/text_embeddings.hpp>
#include <hft/ops/concat_tokens.hpp>

namespace hft {

struct TrigramEmbeddingsOptions : TextEmbeddingsOptions {
  bool trigrams = true;  // whether the layer of projected_size sees the next token's row and the one before, too
  bool projects = true;  // false: that layer is there, and has no use
};

/// TextEmbeddings whose first linear layer has a bias. Checkpoint names: those of TextEmbeddings.
/// (transformers.models.mobilebert.MobileBertEmbeddings)
template <class B>
class TrigramEmbeddings : public TextEmbeddings<B> {
 public:
  using options = TrigramEmbeddingsOptions;

  explicit TrigramEmbeddings(const TrigramEmbeddingsOptions& o)
      : TextEmbeddings<B>(o), trigrams_(o.trigrams), projects_(o.projects) {
    // In the place of one without: what stands behind it has its width.
    this->project_in.emplace(o.hidden_size * (trigrams_ ? 3 : 1), o.projected_size, true);
  }

  /// Tokens (B,T) => (B,T,C)
  template <class Context>
  auto operator()(const TextInputs& in, Context& context) const {
    auto x = this->tokens(in, context);
    if (trigrams_) {
      const isize T = x.extent(1);
      const auto next = pad_tokens(x, 1).slice(1, 1, T + 1), last = pad_tokens(x, -1).slice(1, 0, T);
      x = concat_channels(concat_channels(next, x), last);
    }
    if (projects_) x = this->projected(x);
    return this->finish(this->sum(x, in, context), context);
  }

 private:
  bool trigrams_, projects_;
};

}  // namespace hft
