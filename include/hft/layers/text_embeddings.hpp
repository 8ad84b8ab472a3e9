// TextEmbeddings: tokens, and where an architecture has them positions, token types and a norm, added up.
#pragma once
#include <algorithm>
#include <functional>
#include <optional>
#include <string_view>

#include <hft/layers/begin_pass.hpp>
#include <hft/layers/dropout.hpp>
#include <hft/layers/embedding.hpp>
#include <hft/layers/linear.hpp>
#include <hft/layers/norm.hpp>
#include <hft/layers/sinusoids.hpp>
#include <hft/ops/concat_tokens.hpp>
#include <hft/ops/elementwise.hpp>

namespace hft {

struct TextEmbeddingsOptions {
  isize vocab_size, hidden_size;         // the tokens' table
  isize projected_size = 0;              // to which a linear layer brings their rows (OPT); 0: there is none
  std::optional<i64> pad_token_id = {};  // whose row gets no gradient
  isize max_positions = 0;               // rows of a learned table; 0: positions are known from elsewhere
  isize first_position = 0;              // the row of position 0 (OPT)
  bool sinusoids = false;                // rows are computed, that of pad_token_id as zeros, and have no end (XGLM)
  bool fixed_positions = false;      // the table is the checkpoint's or a sinusoid_table, and learns nothing (Marian)
  bool own_positions = false;        // they are counted from the cache's length on, whatever is given (BART)
  bool positions_from_mask = false;  // OPT: they count what the attention mask shows
  bool positions_skip_padding = false;  // RoBERTa: they count what is not padding, from pad_token_id + 1 on
  isize token_types = 0;                // rows of a table of types; 0: there is none
  bool types_are_tokens = false;        // GPT-2's types are tokens of the vocabulary
  std::optional<NormOptions> norm = {};
  bool norm_before_positions = false;  // which are then added to what is normed (BlenderbotSmall)
  isize streams = 0;                   // that stand behind the tokens, at the positions that follow theirs (ProphetNet)
  f64 scale = 1;                       // of the tokens' rows
  f64 dropout = 0;
  bool shared = false;  // whether the tokens' table is another's, and no parameter of these
};

/// Checkpoint names: embed_tokens, project_in, embed_positions, embed_streams, embed_token_types, embed_norm.
template <class B>
class TextEmbeddings {
 public:
  using options = TextEmbeddingsOptions;
  using inputs = TextInputs;

  template <class Config>
  static auto model_of(const Config& config) {
    return config.text_model();
  }

  explicit TextEmbeddings(const TextEmbeddingsOptions& o)
      : embed_tokens(o.vocab_size, o.hidden_size, o.pad_token_id), options_(o) {
    const isize C = o.projected_size ? o.projected_size : o.hidden_size;
    if (o.projected_size) project_in.emplace(o.hidden_size, C);
    if (o.max_positions && o.fixed_positions)
      fixed_positions.emplace(o.max_positions, C);
    else if (o.max_positions)
      embed_positions.emplace(o.max_positions, C, o.positions_skip_padding ? o.pad_token_id : std::nullopt);
    if (o.streams) embed_streams.emplace(o.streams, C);
    if (o.token_types) embed_token_types.emplace(o.token_types, C);
    if (o.norm) embed_norm.emplace(*o.norm);
  }

  /// The context of a pass over `in`.
  template <Scalar A, Device D>
  ForwardContext<A, D> begin(const char* where, const TextInputs& in, const ForwardArgs<A, D>& args) const {
    TextInputs counted = in;
    if (options_.own_positions || (!in.position_ids && !args.position_ids)) {
      const auto& mask = in.attention_mask ? in.attention_mask : args.attention_mask;
      isize past = 0;
      if constexpr (!D::tracked)
        if (args.past_key_values) past = args.past_key_values->get_seq_length();
      if (options_.positions_skip_padding)
        counted.position_ids = positions_past_padding(in.input_ids, options_.pad_token_id.value_or(0), past);
      else if (options_.positions_from_mask && mask)
        counted.position_ids = positions_in_mask(mask, in.input_ids.extent(1));
      else if (options_.own_positions)
        counted.position_ids = detail::checked_positions(where, in.input_ids.shape(), {}, past, 0, 0);
    }
    return text_pass(where, counted, args, options_.max_positions, options_.first_position);
  }

  /// Tokens (B,T), positions and types as the context has them => (B,T,C). Throws value_error for ids outside the
  /// tables.
  template <class Context>
  auto operator()(const TextInputs& in, Context& context) const {
    const auto &ids = in.input_ids, &types = context.token_type_ids;
    auto x = apply_neftune(embed_tokens(ids), context);  // (B,T,C)
    if (options_.scale != 1) x = scale(x, options_.scale);
    if (project_in) x = (*project_in)(x);
    if (embed_token_types) x = add(x, (*embed_token_types)(types ? types : Tensor<i64, 2>::zeros(ids.shape())));
    if (embed_norm && options_.norm_before_positions) x = (*embed_norm)(x);
    if (embed_positions) x = add(x, (*embed_positions)(context.position_ids));
    if (fixed_positions) x = add(x, (*fixed_positions)(context.position_ids));
    if (embed_streams) x = with_streams(x, context.position_ids);
    if (options_.sinusoids) x = add(x, positions(context.position_ids, x.extent(2)));
    if (types && options_.types_are_tokens) x = add(x, embed_tokens(types));
    if (embed_norm && !options_.norm_before_positions) x = (*embed_norm)(x);
    return apply_dropout(x, options_.dropout, context);
  }

  void visit(visitor& v) {
    if (!options_.shared) v("embed_tokens", embed_tokens);
    v("project_in", project_in);
    v("embed_positions", embed_positions);
    if (positions_stored_) v("embed_positions", fixed_positions);
    v("embed_streams", embed_streams);
    v("embed_token_types", embed_token_types);
    v("embed_norm", embed_norm);
  }
  /// Fixed positions that a checkpoint has not are computed, and not saved.
  void leave_out_absent(const std::function<bool(std::string_view)>& stored) {
    if (!fixed_positions || stored("embed_positions.weight")) return;
    positions_stored_ = false;
    fixed_positions->weight = on_device(sinusoid_table(options_.max_positions, fixed_positions->weight.extent(1)));
  }
  const char* main_parameter() const { return "embed_tokens.weight"; }
  isize max_positions() const { return options_.max_positions ? options_.max_positions - options_.first_position : 0; }
  isize padding_row() const { return options_.pad_token_id.value_or(-1); }

  Embedding<B> embed_tokens;
  std::optional<typename B::linear> project_in;
  std::optional<Embedding<B>> embed_positions, embed_streams, embed_token_types;
  // In the activation dtype, on the device beneath, where nothing is trained.
  std::optional<Embedding<build<typename B::activation, typename B::base, typename B::layer_kind>>> fixed_positions;
  std::optional<LayerNorm<B>> embed_norm;

 private:
  // x (B,T,C) and behind it the streams (B,T,C) each: a row, the last one first, at the position that follows.
  template <class X>
  X with_streams(X x, const Tensor<i64, 2>& position_ids) const {
    Tensor<i64, 2> next = position_ids.clone();
    std::for_each(next.data(), next.data() + next.size(), [](i64& p) { ++p; });
    const X behind = (*embed_positions)(next);
    for (isize s = 0, n = options_.streams; s < n; ++s) {
      const X row = (*embed_streams)(Tensor<i64, 2>::filled(next.shape(), (s + n - 1) % n));
      x = concat_tokens(x, X(add(row, behind)));
    }
    return x;
  }
  /// Sinusoids of positions (B,T) => (B,T,C)
  auto positions(const Tensor<i64, 2>& ids, isize channels) const {
    return on_device(sinusoids(ids, channels, options_.pad_token_id));
  }
  template <std::size_t R>
  static auto on_device(const Tensor<f32, R>& from) {
    Tensor<typename B::activation, R> y(from.shape());
    std::copy_n(from.data(), from.size(), y.data());
    return to_device<typename B::base>(y);
  }

  TextEmbeddingsOptions options_;
  bool positions_stored_ = true;
};

}  // namespace hft
