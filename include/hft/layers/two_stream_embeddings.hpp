// TwoStreamEmbeddings: behind the tokens the places that are asked for (Yang et al. 2019, arXiv 1906.08237).
#pragma once
#include <hft/layers/text_embeddings.hpp>
#include <hft/ops/concat_tokens.hpp>

namespace hft {

struct TwoStreamEmbeddingsOptions : TextEmbeddingsOptions {};

/// TextEmbeddings, and a row that stands for every place of target_mapping. Checkpoint names: those of TextEmbeddings,
/// embed_mask. (transformers.XLNetModel)
template <class B>
class TwoStreamEmbeddings : public TextEmbeddings<B> {
 public:
  /// Types are of the attention.
  unsigned ignored_inputs() const { return without_effect::task_type_ids; }

  using options = TwoStreamEmbeddingsOptions;

  explicit TwoStreamEmbeddings(const TwoStreamEmbeddingsOptions& o)
      : TextEmbeddings<B>(o),
        embed_mask(decltype(embed_mask)::unallocated({1, 1, o.hidden_size})),
        dropout_(o.dropout) {}

  /// The context of a pass over `in`. Throws shape_error for a perm_mask that is not (B,T,T), and for a target_mapping
  /// that is not (B,places,T).
  template <Scalar A, Device D>
  ForwardContext<A, D> begin(const char* where, const TextInputs& in, const ForwardArgs<A, D>& args) const {
    TextInputs plain = in;
    plain.perm_mask = plain.target_mapping = {};
    auto context = TextEmbeddings<B>::begin(where, plain, args);
    const isize B_ = in.input_ids.extent(0), T = in.input_ids.extent(1);
    if (in.perm_mask && in.perm_mask.shape() != Shape<3>{B_, T, T})
      throw shape_error(where, "perm_mask", detail::shape_text(Shape<3>{B_, T, T}),
                        detail::shape_text(in.perm_mask.shape()));
    if (in.target_mapping && (in.target_mapping.extent(0) != B_ || in.target_mapping.extent(2) != T))
      throw shape_error(where, "target_mapping", detail::joined("(", B_, ", places, ", T, ")"),
                        detail::shape_text(in.target_mapping.shape()));
    context.hidden_pairs = in.perm_mask, context.target_mapping = dense_or_empty(in.target_mapping);
    return context;
  }

  /// Tokens (B,T) and M places => (B,T+M,C)
  template <class Context>
  auto operator()(const TextInputs& in, Context& context) const {
    auto x = TextEmbeddings<B>::operator()(in, context);
    if (!context.target_mapping) return x;
    const auto places = Tensor<i64, 2>::zeros({x.extent(0), context.target_mapping.extent(1)});
    const auto row = embed_mask.template reshape<2>({1, x.extent(2)});
    const decltype(x) asked(embedding<typename B::activation>(places, row));
    return decltype(x)(concat_tokens(x, apply_dropout(asked, dropout_, context)));
  }
  void visit(visitor& v) {
    TextEmbeddings<B>::visit(v);
    v("embed_mask", embed_mask);
  }

  typename B::template parameter<typename B::activation, 3> embed_mask;  // (1,1,C)

 private:
  f64 dropout_;
};

}  // namespace hft
