// StreamEmbeddings: behind the tokens the streams in which they predict further ones (Qi et al. 2020, arXiv
// 2001.04063).
#pragma once
#include <algorithm>
#include <optional>

#include <hft/layers/text_embeddings.hpp>
#include <hft/ops/concat_tokens.hpp>

namespace hft {

struct StreamEmbeddingsOptions : TextEmbeddingsOptions {
  isize streams = 0;  // that stand behind the tokens, at the positions that follow theirs; 0: there are none
};

/// TextEmbeddings with learned positions, and streams. Checkpoint names: those of TextEmbeddings, embed_streams.
/// (transformers' ProphetNetDecoder)
template <class B>
class StreamEmbeddings : public TextEmbeddings<B> {
 public:
  using options = StreamEmbeddingsOptions;

  explicit StreamEmbeddings(const StreamEmbeddingsOptions& o) : TextEmbeddings<B>(o) {
    if (o.streams) embed_streams.emplace(o.streams, o.hidden_size);
  }

  /// Tokens (B,T) => (B,(1+streams)T,C)
  template <class Context>
  auto operator()(const TextInputs& in, Context& context) const {
    auto x = this->sum(this->projected(this->tokens(in, context)), in, context);
    if (embed_streams) x = with_streams(x, context.position_ids);
    return this->finish(x, context);
  }
  void visit(visitor& v) {
    TextEmbeddings<B>::visit(v);
    v("embed_streams", embed_streams);
  }

  std::optional<Embedding<B>> embed_streams;

 private:
  // x (B,T,C) and behind it the streams (B,T,C) each: a row, the last one first, at the position that follows.
  template <class X>
  X with_streams(X x, const Tensor<i64, 2>& position_ids) const {
    Tensor<i64, 2> next = position_ids.clone();
    std::for_each(next.data(), next.data() + next.size(), [](i64& p) { ++p; });
    const X behind = (*this->embed_positions)(next);
    for (isize s = 0, n = embed_streams->weight.extent(0); s < n; ++s) {
      const X row = (*embed_streams)(Tensor<i64, 2>::filled(next.shape(), (s + n - 1) % n));
      x = concat_tokens(x, X(add(row, behind)));
    }
    return x;
  }
};

}  // namespace hft
