// TextEmbeddings: tokens, and where an architecture has them positions, token types and a norm, added up.
#pragma once
#include <algorithm>
#include <functional>
#include <numeric>
#include <optional>
#include <string_view>
#include <vector>

#include <hft/layers/begin_pass.hpp>
#include <hft/layers/channels.hpp>
#include <hft/layers/dropout.hpp>
#include <hft/layers/embedding.hpp>
#include <hft/layers/linear.hpp>
#include <hft/layers/norm.hpp>
#include <hft/layers/sinusoids.hpp>
#include <hft/ops/concat_tokens.hpp>
#include <hft/ops/elementwise.hpp>

namespace hft {

/// What dropout is of: the sum of all, as BigBird has it, what is normed, or what that is projected to (FNet).
enum class dropout_of { sum, normed, projected };

/// Which tokens of a text see all others and are seen by them, where the inputs do not say it.
enum class global_tokens { refused, none, first, question, choice };

/// The tokens (B,T) that see all others: those given, else the first, those before the first separator, or those from
/// the second behind it on; never padding. Empty where there are none. Throws shape_error, value_error where they are
/// given to a model that knows none, or where a row has not the three separators by which a question is told.
Tensor<i64, 2> chosen_globals(const char* where, const TextInputs& in, const Tensor<i64, 2>& mask, global_tokens which,
                              std::optional<i64> separator);

struct TextEmbeddingsOptions {
  isize vocab_size, hidden_size;         // the tokens' table
  isize projected_size = 0;              // to which a linear layer brings their rows (OPT); 0: there is none
  bool projected_last = false;           // whether it brings there the sum, behind its norm, with a bias (ELECTRA)
  bool project_bias = false;             // whether that layer has a bias where it is not the last
  bool projects = true;                  // false: that layer is there, and has no use
  bool trigrams = false;                 // whether it sees the next token's row and the one before, too (MobileBERT)
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
  isize task_types = 0;                 // rows of a table of tasks (ERNIE); 0: there is none, and tasks say nothing
  std::optional<RopeScaling> rotary_table = {};  // RoFormer: the angles of these frequencies are a table, not trained
  isize rotary_rows = 0;                         // of it; positions are places in the row, whatever is said
  // ESM in training hid tokens: the mask token's rows are zeros, and the others scaled for as many as are there.
  std::optional<i64> mask_token_id = {};
  bool hidden_are_zeros = false;  // whether what the attention mask hides becomes zeros (ESM)
  isize sum_projected_size = 0;   // to which a linear layer without bias brings the sum (DeBERTa); 0: there is none
  std::optional<NormOptions> norm = {};
  bool norm_before_positions = false;  // which are then added to what is normed (BlenderbotSmall)
  dropout_of dropped = dropout_of::normed;
  global_tokens globals = global_tokens::refused;
  std::optional<i64> sep_token_id = {};  // what ends a question
  isize relative_positions = 0;  // rows of a table for attention to relative positions (DeBERTa); 0: there is none
  std::optional<NormOptions> relative_norm = {};
  bool two_streams = false;  // whether a row stands for places that are asked for (XLNet)
  isize streams = 0;         // that stand behind the tokens, at the positions that follow theirs (ProphetNet)
  f64 scale = 1;             // of the tokens' rows
  f64 dropout = 0;
  bool shared = false;  // whether the tokens' table is another's, and no parameter of these
};

/// Checkpoint names: embed_tokens, project_in, embed_positions, embed_streams, embed_token_types, embed_task_types,
/// rotary_table, project_sum, embed_norm, embed_relative, relative_norm, embed_mask.
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
    const isize C = o.projected_size && !o.projected_last ? o.projected_size : o.hidden_size;
    if (o.projected_size)
      project_in.emplace(o.hidden_size * (o.trigrams ? 3 : 1), o.projected_size, o.projected_last || o.project_bias);
    if (o.max_positions && o.fixed_positions)
      fixed_positions.emplace(o.max_positions, C);
    else if (o.max_positions)
      embed_positions.emplace(o.max_positions, C, o.positions_skip_padding ? o.pad_token_id : std::nullopt);
    if (o.streams) embed_streams.emplace(o.streams, C);
    if (o.token_types) embed_token_types.emplace(o.token_types, C);
    if (o.task_types) embed_task_types.emplace(o.task_types, C);
    if (o.rotary_table)
      rotary_table.emplace(decltype(rotary_table)::value_type::unallocated({o.rotary_rows, o.rotary_table->dim()}));
    if (o.sum_projected_size) project_sum.emplace(C, o.sum_projected_size);
    if (o.norm) embed_norm.emplace(*o.norm);
    if (o.relative_positions)
      embed_relative.emplace(o.relative_positions, o.sum_projected_size ? o.sum_projected_size : C);
    if (o.relative_norm) relative_norm.emplace(*o.relative_norm);
    if (o.two_streams) embed_mask = decltype(embed_mask)::unallocated({1, 1, C});
  }

  /// The context of a pass over `in`.
  template <Scalar A, Device D>
  ForwardContext<A, D> begin(const char* where, const TextInputs& in, const ForwardArgs<A, D>& args) const {
    TextInputs counted = in;
    if (options_.rotary_table) {
      auto placed = args;
      counted.position_ids = placed.position_ids = {};
      auto context = text_pass(where, counted, placed, options_.rotary_rows);
      begin_streams(where, in, args, context);
      return context;
    }
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
    auto context = text_pass(where, counted, args, options_.max_positions, options_.first_position);
    begin_streams(where, in, args, context);
    return context;
  }

  /// Tokens (B,T), positions and types as the context has them => (B,T,C). Throws value_error for ids outside the
  /// tables.
  template <class Context>
  auto operator()(const TextInputs& in, Context& context) const {
    const auto &ids = in.input_ids, &types = context.token_type_ids, &tasks = in.task_type_ids;
    const auto zeros = [&] { return Tensor<i64, 2>::zeros(ids.shape()); };
    auto x = apply_neftune(embed_tokens(ids), context);  // (B,T,C)
    if (options_.scale != 1) x = scale(x, options_.scale);
    if (options_.mask_token_id) x = without_masked(x, ids, context);
    if (options_.trigrams) {
      const isize T = x.extent(1);
      const auto next = pad_tokens(x, 1).slice(1, 1, T + 1), last = pad_tokens(x, -1).slice(1, 0, T);
      x = concat_channels(concat_channels(next, x), last);
    }
    if (project_in && !options_.projected_last && options_.projects) x = (*project_in)(x);
    if (embed_token_types) x = add(x, (*embed_token_types)(types ? types : zeros()));
    if (embed_task_types) x = add(x, (*embed_task_types)(tasks ? tasks : zeros()));
    if (embed_norm && options_.norm_before_positions) x = (*embed_norm)(x);
    if (embed_positions) x = add(x, (*embed_positions)(context.position_ids));
    if (fixed_positions) x = add(x, (*fixed_positions)(context.position_ids));
    if (embed_streams) x = with_streams(x, context.position_ids);
    if (options_.sinusoids) x = add(x, positions(context.position_ids, x.extent(2)));
    if (types && options_.types_are_tokens) x = add(x, embed_tokens(types));
    if (rotary_table) put_angles(context);
    if (project_sum) x = (*project_sum)(x);
    const auto drop = [&](dropout_of here) {
      if (options_.dropped == here) x = apply_dropout(x, options_.dropout, context);
    };
    drop(dropout_of::sum);
    if (embed_norm && !options_.norm_before_positions) x = (*embed_norm)(x);
    if (options_.hidden_are_zeros && context.key_mask)
      x = of_tokens(x, std::vector<f32>(context.key_mask.data(), context.key_mask.data() + context.key_mask.size()));
    drop(dropout_of::normed);
    if (project_in && options_.projected_last) x = (*project_in)(x);
    drop(dropout_of::projected);
    if (context.target_mapping) {
      const Tensor<i64, 2> places = Tensor<i64, 2>::zeros({ids.extent(0), context.target_mapping.extent(1)});
      const auto row = embed_mask.template reshape<2>({1, x.extent(2)});
      x = concat_tokens(
          x, apply_dropout(decltype(x)(embedding<typename B::activation>(places, row)), options_.dropout, context));
    }
    if (embed_relative) {
      Tensor<i64, 2> all({1, options_.relative_positions});
      std::iota(all.data(), all.data() + all.size(), 0);
      context.source.states = (*embed_relative)(all);  // (1,P,C)
      if (relative_norm) context.source.states = (*relative_norm)(context.source.states);
    }
    return x;
  }

  void visit(visitor& v) {
    if (!options_.shared) v("embed_tokens", embed_tokens);
    v("project_in", project_in);
    v("embed_positions", embed_positions);
    if (positions_stored_) v("embed_positions", fixed_positions);
    v("embed_streams", embed_streams);
    v("embed_token_types", embed_token_types);
    v("embed_task_types", embed_task_types);
    v("rotary_table", rotary_table);
    v("project_sum", project_sum);
    v("embed_norm", embed_norm);
    v("embed_relative", embed_relative);
    v("relative_norm", relative_norm);
    if (options_.two_streams) v("embed_mask", embed_mask);
  }
  /// Tables that a checkpoint may lack are computed, and not saved.
  void leave_out_absent(const std::function<bool(std::string_view)>& stored) {
    if (rotary_table && !stored("rotary_table")) rotary_table.reset();
    if (!fixed_positions || stored("embed_positions.weight")) return;
    positions_stored_ = false;
    fixed_positions->weight = on_device(sinusoid_table(options_.max_positions, fixed_positions->weight.extent(1)));
  }
  const char* main_parameter() const { return "embed_tokens.weight"; }
  isize max_positions() const {
    return options_.rotary_table    ? options_.rotary_rows
           : options_.max_positions ? options_.max_positions - options_.first_position
                                    : 0;
  }
  isize padding_row() const { return options_.pad_token_id.value_or(-1); }

  Embedding<B> embed_tokens;
  std::optional<typename B::linear> project_in;
  std::optional<Embedding<B>> embed_positions, embed_streams, embed_token_types, embed_task_types;
  // In the activation dtype, on the device beneath, where nothing is trained.
  std::optional<Embedding<build<typename B::activation, typename B::base, typename B::layer_kind>>> fixed_positions;
  std::optional<Tensor<f32, 2, typename B::base>> rotary_table;  // (rows,R): sines, then cosines
  std::optional<typename B::linear> project_sum;
  std::optional<LayerNorm<B>> embed_norm;
  std::optional<Embedding<B>> embed_relative;
  std::optional<LayerNorm<B>> relative_norm;
  typename B::template parameter<typename B::activation, 3> embed_mask;  // (1,1,C), or empty

 private:
  /// Global tokens, and what a second stream asks for.
  template <Scalar A, Device D>
  void begin_streams(const char* where, const TextInputs& in, const ForwardArgs<A, D>& args,
                     ForwardContext<A, D>& context) const {
    const auto& mask = in.attention_mask ? in.attention_mask : args.attention_mask;
    context.global_tokens = chosen_globals(where, in, mask, options_.globals, options_.sep_token_id);
    const isize B_ = in.input_ids.extent(0), T = in.input_ids.extent(1);
    if ((in.perm_mask || in.target_mapping) && !options_.two_streams)
      throw value_error(where, "perm_mask and target_mapping", "none: the model has one stream");
    if (in.perm_mask && in.perm_mask.shape() != Shape<3>{B_, T, T})
      throw shape_error(where, "perm_mask", detail::shape_text(Shape<3>{B_, T, T}),
                        detail::shape_text(in.perm_mask.shape()));
    if (in.target_mapping && (in.target_mapping.extent(0) != B_ || in.target_mapping.extent(2) != T))
      throw shape_error(where, "target_mapping", detail::joined("(", B_, ", places, ", T, ")"),
                        detail::shape_text(in.target_mapping.shape()));
    context.hidden_pairs = in.perm_mask, context.target_mapping = dense_or_empty(in.target_mapping);
  }

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

  /// Each token (B,T,C) times a number of its own (B*T).
  template <class X>
  static X of_tokens(const X& x, const std::vector<f32>& factors) {
    Tensor<typename B::activation, 3> all(x.shape());
    for (isize i = 0, C = x.extent(2); i < isize(factors.size()); ++i)
      std::fill_n(all.data() + i * C, C, typename B::activation(factors[std::size_t(i)]));
    return mul(x, X(to_device<typename B::base>(all)));
  }
  template <class X, class Context>
  X without_masked(const X& x, const Tensor<i64, 2>& ids, const Context& context) const {
    constexpr f64 hidden_in_training = 0.15 * 0.8;
    const isize T = ids.extent(1);
    const auto dense = ids.dense();
    std::vector<f32> factors;
    for (isize b = 0; b < ids.extent(0); ++b) {
      const i64* row = dense.data() + b * T;
      const isize shown =
          context.key_mask ? std::count(context.key_mask.data() + b * T, context.key_mask.data() + (b + 1) * T, 1) : T;
      const f64 share = f64(std::count(row, row + T, *options_.mask_token_id)) / f64(shown);
      for (isize t = 0; t < T; ++t)
        factors.push_back(row[t] == *options_.mask_token_id ? 0 : f32((1 - hidden_in_training) / (1 - share)));
    }
    return of_tokens(x, factors);
  }

  template <class Context>
  void put_angles(Context& context) const {
    using A = typename B::activation;
    const auto rows = embedding<A>(context.position_ids, *rotary_table);  // (B,T,R)
    const isize N = rows.extent(0) * rows.extent(1), R2 = rows.extent(2) / 2;
    const auto half = [&](isize from) { return rows.slice(2, from, from + R2).dense().template reshape<2>({N, R2}); };
    context.rotary->put(*options_.rotary_table, half(R2), half(0));
  }

  TextEmbeddingsOptions options_;
  bool positions_stored_ = true;
};

#if HFT_DEFINES(MODELS)

HFT_INLINE Tensor<i64, 2> chosen_globals(const char* where, const TextInputs& in, const Tensor<i64, 2>& mask,
                                         global_tokens which, std::optional<i64> separator) {
  const auto& given = in.global_attention_mask;
  const isize B = in.input_ids.extent(0), T = in.input_ids.extent(1);
  if (given && which == global_tokens::refused)
    throw value_error(where, "global_attention_mask", "none: the model has no global tokens");
  if (given && given.shape() != in.input_ids.shape())
    throw shape_error(where, "global_attention_mask", detail::shape_text(in.input_ids.shape()),
                      detail::shape_text(given.shape()));
  if (!given && (which == global_tokens::refused || which == global_tokens::none)) return {};
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
