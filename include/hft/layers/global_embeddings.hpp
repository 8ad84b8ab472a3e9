// GlobalEmbeddings: those of a text some of whose tokens see all others (Beltagy et al. 2020, arXiv 2004.05150).
#pragma once
#include <algorithm>
#include <optional>

#include <hft/layers/text_embeddings.hpp>

namespace hft {

/// Which tokens of a text see all others and are seen by them, where the inputs do not say it.
enum class global_tokens { none, first, question, choice };

/// The tokens (B,T) that see all others: those given, else the first, those before the first separator, or those from
/// the second behind it on; never padding. Empty where there are none. Throws shape_error for others than (B,T),
/// value_error where a row has not the three separators by which a question is told.
Tensor<i64, 2> chosen_globals(const char* where, const TextInputs& in, const Tensor<i64, 2>& mask, global_tokens which,
                              std::optional<i64> separator);

struct GlobalEmbeddingsOptions : TextEmbeddingsOptions {
  global_tokens globals = global_tokens::none;
  std::optional<i64> sep_token_id = {};  // what ends a question
};

/// TextEmbeddings, whose context has the global tokens of the pass. Checkpoint names: those of TextEmbeddings.
/// (transformers.LongformerModel, transformers' LEDEncoder)
template <class B>
class GlobalEmbeddings : public TextEmbeddings<B> {
 public:
  using options = GlobalEmbeddingsOptions;

  explicit GlobalEmbeddings(const GlobalEmbeddingsOptions& o)
      : TextEmbeddings<B>(o), globals_(o.globals), separator_(o.sep_token_id) {}

  /// The context of a pass over `in`. Throws what TextEmbeddings and chosen_globals do.
  template <Scalar A, Device D>
  ForwardContext<A, D> begin(const char* where, const TextInputs& in, const ForwardArgs<A, D>& args) const {
    TextInputs plain = in;
    plain.global_attention_mask = {};
    auto context = TextEmbeddings<B>::begin(where, plain, args);
    const auto& mask = in.attention_mask ? in.attention_mask : args.attention_mask;
    context.global_tokens = chosen_globals(where, in, mask, globals_, separator_);
    return context;
  }

 private:
  global_tokens globals_;
  std::optional<i64> separator_;
};

#if HFT_DEFINES(MODELS)

HFT_INLINE Tensor<i64, 2> chosen_globals(const char* where, const TextInputs& in, const Tensor<i64, 2>& mask,
                                         global_tokens which, std::optional<i64> separator) {
  const auto& given = in.global_attention_mask;
  const isize B = in.input_ids.extent(0), T = in.input_ids.extent(1);
  if (given && given.shape() != in.input_ids.shape())
    throw shape_error(where, "global_attention_mask", detail::shape_text(in.input_ids.shape()),
                      detail::shape_text(given.shape()));
  if (!given && which == global_tokens::none) return {};
  Tensor<i64, 2> chosen = Tensor<i64, 2>::zeros({B, T});
  const auto ids = in.input_ids.dense(), shown = dense_or_empty(mask), wanted = dense_or_empty(given);
  bool any = false;
  for (isize b = 0; b < B; ++b) {
    const i64* row = ids.data() + b * T;
    const isize first = separator ? std::find(row, row + T, *separator) - row : T;
    if (!given && which != global_tokens::first && (!separator || std::count(row, row + T, *separator) != 3))
      throw value_error(where, detail::joined("row ", b, " of input_ids"), "three separators, to tell the question");
    for (isize t = 0; t < T; ++t) {
      const bool global = given                              ? wanted.data()[b * T + t] != 0
                          : which == global_tokens::first    ? t == 0
                          : which == global_tokens::question ? t < first
                                                             : t > first + 1;
      const bool visible = !mask || shown.data()[b * T + t] != 0;
      any = any || (global && visible);
      chosen.data()[b * T + t] = global && visible;
    }
  }
  return any ? chosen : Tensor<i64, 2>();
}

#endif  // HFT_DEFINES

}  // namespace hft
