// TextEmbeddings: tokens, and where an architecture has them positions, token types and a norm, added up.
#pragma once
#include <algorithm>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include <hft/layers/dropout.hpp>
#include <hft/layers/linear.hpp>
#include <hft/layers/masked_tokens.hpp>
#include <hft/layers/norm.hpp>
#include <hft/layers/sinusoids.hpp>
#include <hft/layers/stored_angles.hpp>
#include <hft/layers/token_embeddings.hpp>
#include <hft/ops/elementwise.hpp>

namespace hft {

/// What dropout is of: the sum of all, as BigBird has it, what is normed, or what that is projected to (FNet).
enum class dropout_of { sum, normed, projected };

struct TextEmbeddingsOptions {
  isize vocab_size, hidden_size;         // the tokens' table
  isize projected_size = 0;              // to which a linear layer brings their rows (OPT); 0: there is none
  bool projected_last = false;           // whether it brings there the sum, behind its norm, with a bias (ELECTRA)
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
  std::optional<StoredAnglesOptions> stored_angles = {};  // of rotary positions (RoFormer)
  std::optional<i64> mask_token_id = {};  // in training hid tokens, whose rows are zeros (ESM); see masked_tokens.hpp
  bool hidden_are_zeros = false;          // whether what the attention mask hides becomes zeros (ESM, DeBERTa)
  std::optional<NormOptions> norm = {};
  bool norm_before_positions = false;  // which are then added to what is normed (BlenderbotSmall)
  dropout_of dropped = dropout_of::normed;
  f64 scale = 1;  // of the tokens' rows
  f64 dropout = 0;
  bool shared = false;  // whether the tokens' table is another's, and no parameter of these
};

/// What one family of architectures alone has is added by classes that derive from it, and call its steps: tokens,
/// projected, sum, finish.
/// Checkpoint names: embed_tokens, project_in, embed_positions, embed_token_types, embed_task_types, rotary_table,
/// embed_norm.
template <class B>
class TextEmbeddings : public TokenEmbeddings<B> {
 public:
  using options = TextEmbeddingsOptions;

  explicit TextEmbeddings(const TextEmbeddingsOptions& o)
      : TokenEmbeddings<B>({o.vocab_size, o.hidden_size, o.pad_token_id, o.scale}), options_(o) {
    const isize C = o.projected_size && !o.projected_last ? o.projected_size : o.hidden_size;
    if (o.projected_size) project_in.emplace(o.hidden_size, o.projected_size, o.projected_last);
    if (o.max_positions && o.fixed_positions)
      fixed_positions.emplace(o.max_positions, C);
    else if (o.max_positions)
      embed_positions.emplace(o.max_positions, C, o.positions_skip_padding ? o.pad_token_id : std::nullopt);
    if (o.token_types) embed_token_types.emplace(o.token_types, C);
    if (o.task_types) embed_task_types.emplace(o.task_types, C);
    if (o.stored_angles) stored_angles.emplace(*o.stored_angles);
    if (o.norm) embed_norm.emplace(*o.norm);
  }

  /// The context of a pass over `in`. Throws shape_error, value_error for positions without a row, and for inputs that
  /// such a model has no use for.
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
    auto context = text_pass(where, counted, args, position_rows(), options_.first_position);
    detail::check_of_one_stream(where, in);
    if (stored_angles) stored_angles->put(context);
    return context;
  }

  /// Tokens (B,T), positions and types as the context has them => (B,T,C). Throws value_error for ids outside the
  /// tables.
  template <class Context>
  auto operator()(const TextInputs& in, Context& context) const {
    return finish(sum(projected(tokens(in, context)), in, context), context);
  }

  void visit(visitor& v) {
    if (!options_.shared) TokenEmbeddings<B>::visit(v);
    v("project_in", project_in);
    v("embed_positions", embed_positions);
    if (positions_stored_) v("embed_positions", fixed_positions);
    v("embed_token_types", embed_token_types);
    v("embed_task_types", embed_task_types);
    if (stored_angles) v("rotary_table", stored_angles->table);
    v("embed_norm", embed_norm);
  }
  /// Tables that a checkpoint may lack are computed, and not saved.
  void leave_out_absent(const std::function<bool(std::string_view)>& stored) {
    if (stored_angles && !stored("rotary_table")) stored_angles.reset();
    if (!fixed_positions || stored("embed_positions.weight")) return;
    positions_stored_ = false;
    fixed_positions->weight = on_device(sinusoid_table(options_.max_positions, fixed_positions->weight.extent(1)));
  }
  unsigned ignored_inputs() const {
    return (embed_token_types || options_.types_are_tokens ? 0 : without_effect::token_type_ids) |
           (embed_task_types ? 0 : without_effect::task_type_ids) |
           (options_.own_positions ? without_effect::position_ids : 0);
  }
  isize max_positions() const { return position_rows() ? position_rows() - options_.first_position : 0; }

  using TokenEmbeddings<B>::embed_tokens;
  std::optional<typename B::linear> project_in;
  std::optional<Embedding<B>> embed_positions, embed_token_types, embed_task_types;
  // In the activation dtype, on the device beneath, where nothing is trained.
  std::optional<Embedding<build<typename B::activation, typename B::base, typename B::layer_kind>>> fixed_positions;
  std::optional<StoredAngles<B>> stored_angles;
  std::optional<LayerNorm<B>> embed_norm;

 protected:
  /// Rows of tokens (B,T), scaled => (B,T,C')
  template <class Context>
  auto tokens(const TextInputs& in, Context& context) const {
    auto x = TokenEmbeddings<B>::tokens(in, context);
    if (options_.mask_token_id) x = without_masked<B>(x, in.input_ids, *options_.mask_token_id, context.key_mask);
    return x;
  }
  /// (B,T,C') => (B,T,C), by the layer that stands first
  template <class X>
  X projected(const X& x) const {
    return project_in && !options_.projected_last ? X((*project_in)(x)) : x;
  }
  /// And types and positions (B,T,C)
  template <class X, class Context>
  X sum(X x, const TextInputs& in, const Context& context) const {
    const auto &types = context.token_type_ids, &tasks = in.task_type_ids;
    const auto zeros = [&] { return Tensor<i64, 2>::zeros(in.input_ids.shape()); };
    if (embed_token_types) x = add(x, (*embed_token_types)(types ? types : zeros()));
    if (embed_task_types) x = add(x, (*embed_task_types)(tasks ? tasks : zeros()));
    if (embed_norm && options_.norm_before_positions) x = (*embed_norm)(x);
    if (embed_positions) x = add(x, (*embed_positions)(context.position_ids));
    if (fixed_positions) x = add(x, (*fixed_positions)(context.position_ids));
    if (options_.sinusoids) x = add(x, positions(context.position_ids, x.extent(2)));
    if (types && options_.types_are_tokens) x = add(x, embed_tokens(types));
    return x;
  }
  /// Norm, dropout and the layer that stands last: (B,T,C) => (B,T,C)
  template <class X, class Context>
  X finish(X x, Context& context) const {
    const auto drop = [&](dropout_of here) {
      if (options_.dropped == here) x = apply_dropout(x, options_.dropout, context);
    };
    drop(dropout_of::sum);
    if (embed_norm && !options_.norm_before_positions) x = (*embed_norm)(x);
    if (options_.hidden_are_zeros && context.key_mask) {
      const auto shown = to_host(context.key_mask).dense();
      x = scale_tokens<B>(x, std::vector<f32>(shown.data(), shown.data() + shown.size()));
    }
    drop(dropout_of::normed);
    if (project_in && options_.projected_last) x = (*project_in)(x);
    drop(dropout_of::projected);
    return x;
  }

 private:
  isize position_rows() const { return options_.stored_angles ? options_.stored_angles->rows : options_.max_positions; }
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
