// TokenEmbeddings: the rows of tokens, where blocks know of order by themselves, as rotary decoders do.
#pragma once
#include <optional>

#include <hft/layers/begin_pass.hpp>
#include <hft/layers/dropout.hpp>
#include <hft/layers/embedding.hpp>
#include <hft/ops/elementwise.hpp>

namespace hft {

struct TokenEmbeddingsOptions {
  isize vocab_size, hidden_size;
  std::optional<i64> pad_token_id = {};  // whose row gets no gradient
  f64 scale = 1;                         // of the rows
};

/// Checkpoint name: embed_tokens.
template <class B>
class TokenEmbeddings {
 public:
  using options = TokenEmbeddingsOptions;
  using inputs = TextInputs;

  template <class Config>
  static auto model_of(const Config& config) {
    return config.text_model();
  }

  explicit TokenEmbeddings(const TokenEmbeddingsOptions& o)
      : embed_tokens(o.vocab_size, o.hidden_size, o.pad_token_id),
        scale_(o.scale),
        padding_row_(o.pad_token_id.value_or(-1)) {}

  /// The context of a pass over `in`. Throws shape_error, value_error for positions below 0, and for inputs that such a
  /// model has no use for.
  template <Scalar A, Device D>
  ForwardContext<A, D> begin(const char* where, const TextInputs& in, const ForwardArgs<A, D>& args) const {
    detail::check_of_one_stream(where, in);
    return text_pass(where, in, args, 0);
  }

  /// Tokens (B,T) => (B,T,C). Throws value_error for ids outside the table.
  template <class Context>
  auto operator()(const TextInputs& in, Context& context) const {
    return tokens(in, context);
  }

  void visit(visitor& v) { v("embed_tokens", embed_tokens); }
  const char* main_parameter() const { return "embed_tokens.weight"; }
  isize max_positions() const { return 0; }
  isize padding_row() const { return padding_row_; }
  /// A sum of without_effect: what of TextInputs they have no use for.
  unsigned ignored_inputs() const { return without_effect::token_type_ids | without_effect::task_type_ids; }
  /// The table of the tokens, which heads are tied to.
  const auto& token_table() const { return embed_tokens.weight; }
  auto& token_table() { return embed_tokens.weight; }

  Embedding<B> embed_tokens;

 protected:
  /// Rows of tokens (B,T), scaled => (B,T,C)
  template <class Context>
  auto tokens(const TextInputs& in, Context& context) const {
    const auto x = apply_neftune(embed_tokens(in.input_ids), context);
    return scale_ == 1 ? x : scale(x, scale_);
  }

 private:
  f64 scale_;
  isize padding_row_;
};

}  // namespace hft
