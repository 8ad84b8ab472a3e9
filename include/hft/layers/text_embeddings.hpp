// TextEmbeddings: tokens, and where an architecture has them positions, token types and a norm, added up.
#pragma once
#include <algorithm>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include <hft/layers/begin_pass.hpp>
#include <hft/layers/dropout.hpp>
#include <hft/layers/embedding.hpp>
#include <hft/layers/linear.hpp>
#include <hft/layers/norm.hpp>
#include <hft/layers/sinusoids.hpp>
#include <hft/ops/elementwise.hpp>

namespace hft {

struct TextEmbeddingsOptions {
  isize vocab_size, hidden_size;         // the tokens' table
  isize projected_size = 0;              // to which a linear layer brings their rows (OPT); 0: there is none
  bool projected_last = false;           // whether it brings there the sum, behind its norm, with a bias (ELECTRA)
  std::optional<i64> pad_token_id = {};  // whose row gets no gradient
  isize max_positions = 0;               // rows of a learned table; 0: positions are known from elsewhere
  isize first_position = 0;              // the row of position 0 (OPT)
  bool sinusoids = false;                // rows are computed, that of pad_token_id as zeros, and have no end (XGLM)
  bool positions_from_mask = false;      // OPT: they count what the attention mask shows
  bool positions_skip_padding = false;   // RoBERTa: they count what is not padding, from pad_token_id + 1 on
  isize token_types = 0;                 // rows of a table of types; 0: there is none
  bool types_are_tokens = false;         // GPT-2's types are tokens of the vocabulary
  isize task_types = 0;                  // rows of a table of tasks (ERNIE); 0: there is none, and tasks say nothing
  std::optional<RopeScaling> rotary_table = {};  // RoFormer: the angles of these frequencies are a table, not trained
  isize rotary_rows = 0;                         // of it; positions are places in the row, whatever is said
  // ESM in training hid tokens: the mask token's rows are zeros, and the others scaled for as many as are there.
  std::optional<i64> mask_token_id = {};
  bool hidden_are_zeros = false;  // whether what the attention mask hides becomes zeros (ESM)
  std::optional<NormOptions> norm = {};
  f64 scale = 1;  // of the tokens' rows
  f64 dropout = 0;
  bool shared = false;  // whether the tokens' table is another's, and no parameter of these
};

/// Checkpoint names: embed_tokens, project_in, embed_positions, embed_token_types, embed_task_types, rotary_table,
/// embed_norm.
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
    if (o.projected_size) project_in.emplace(o.hidden_size, o.projected_size, o.projected_last);
    if (o.max_positions)
      embed_positions.emplace(o.max_positions, C, o.positions_skip_padding ? o.pad_token_id : std::nullopt);
    if (o.token_types) embed_token_types.emplace(o.token_types, C);
    if (o.task_types) embed_task_types.emplace(o.task_types, C);
    if (o.rotary_table)
      rotary_table.emplace(decltype(rotary_table)::value_type::unallocated({o.rotary_rows, o.rotary_table->dim()}));
    if (o.norm) embed_norm.emplace(*o.norm);
  }

  /// The context of a pass over `in`.
  template <Scalar A, Device D>
  ForwardContext<A, D> begin(const char* where, const TextInputs& in, const ForwardArgs<A, D>& args) const {
    TextInputs counted = in;
    if (options_.rotary_table) {
      auto placed = args;
      counted.position_ids = placed.position_ids = {};
      return text_pass(where, counted, placed, options_.rotary_rows);
    }
    if (!in.position_ids && !args.position_ids) {
      const auto& mask = in.attention_mask ? in.attention_mask : args.attention_mask;
      if (options_.positions_skip_padding)
        counted.position_ids = positions_past_padding(in.input_ids, options_.pad_token_id.value_or(0));
      else if (options_.positions_from_mask && mask)
        counted.position_ids = positions_in_mask(mask, in.input_ids.extent(1));
    }
    return text_pass(where, counted, args, options_.max_positions, options_.first_position);
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
    if (project_in && !options_.projected_last) x = (*project_in)(x);
    if (embed_token_types) x = add(x, (*embed_token_types)(types ? types : zeros()));
    if (embed_task_types) x = add(x, (*embed_task_types)(tasks ? tasks : zeros()));
    if (embed_positions) x = add(x, (*embed_positions)(context.position_ids));
    if (options_.sinusoids) x = add(x, positions(context.position_ids, x.extent(2)));
    if (types && options_.types_are_tokens) x = add(x, embed_tokens(types));
    if (rotary_table) put_angles(context);
    if (embed_norm) x = (*embed_norm)(x);
    if (options_.hidden_are_zeros && context.key_mask)
      x = of_tokens(x, std::vector<f32>(context.key_mask.data(), context.key_mask.data() + context.key_mask.size()));
    x = apply_dropout(x, options_.dropout, context);
    return project_in && options_.projected_last ? (*project_in)(x) : x;
  }

  void visit(visitor& v) {
    if (!options_.shared) v("embed_tokens", embed_tokens);
    v("project_in", project_in);
    v("embed_positions", embed_positions);
    v("embed_token_types", embed_token_types);
    v("embed_task_types", embed_task_types);
    v("rotary_table", rotary_table);
    v("embed_norm", embed_norm);
  }
  const char* main_parameter() const { return "embed_tokens.weight"; }
  isize max_positions() const {
    return options_.rotary_table    ? options_.rotary_rows
           : options_.max_positions ? options_.max_positions - options_.first_position
                                    : 0;
  }
  /// Drops a table that a checkpoint may lack: what it holds can be computed.
  void leave_out_absent(const std::function<bool(std::string_view)>& stored) {
    if (rotary_table && !stored("rotary_table")) rotary_table.reset();
  }
  isize padding_row() const { return options_.pad_token_id.value_or(-1); }

  Embedding<B> embed_tokens;
  std::optional<typename B::linear> project_in;
  std::optional<Embedding<B>> embed_positions, embed_token_types, embed_task_types;
  std::optional<Tensor<f32, 2, typename B::base>> rotary_table;  // (rows,R): sines, then cosines
  std::optional<LayerNorm<B>> embed_norm;

 private:
  /// Sinusoids of positions (B,T) => (B,T,C)
  auto positions(const Tensor<i64, 2>& ids, isize channels) const {
    using A = typename B::activation;
    const auto rows = sinusoids(ids, channels, options_.pad_token_id);
    Tensor<A, 3> y(rows.shape());
    std::copy_n(rows.data(), rows.size(), y.data());
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
};

}  // namespace hft
