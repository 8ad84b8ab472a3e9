// The context that a forward pass begins with; text_pass is that of one over tokens.
#pragma once
#include <hft/layers/context.hpp>
#include <hft/layers/forward_args.hpp>
#include <hft/layers/inputs.hpp>
#include <hft/linkage.hpp>

namespace hft {

namespace detail {
/// The positions of tokens (B,T): those given, (B,T) or (1,T) for every row, else counted from `past` on. Throws
/// shape_error, or value_error for one that has no row: below 0 or, where max_positions is not 0, from there on. To
/// each `first` is added.
Tensor<i64, 2> checked_positions(const char* where, const Shape<2>& shape, const Tensor<i64, 2>& given, isize past,
                                 isize max_positions, isize first);
/// Which keys (B,S) a mask leaves visible, as bytes; empty where it leaves all. Throws shape_error.
Tensor<u8, 2> visible_keys(const char* where, const Tensor<i64, 2>& mask, const Shape<2>& shape);
/// Throws value_error for inputs that only models with global tokens, or with two streams, have a use for.
void check_of_one_stream(const char* where, const TextInputs& in);
}  // namespace detail

/// Positions (B,T) of tokens (B,T) as RoBERTa counts them: those that are not padding from `pad` + 1 on, padding itself
/// at `pad`; behind `past` tokens of a cache, all of which count.
Tensor<i64, 2> positions_past_padding(const Tensor<i64, 2>& input_ids, i64 pad, isize past = 0);

/// Positions (B,T) of the last T tokens of a mask (B,S), counted over what it shows; -1 before the first.
Tensor<i64, 2> positions_in_mask(const Tensor<i64, 2>& mask, isize T);

/// The context of a pass, whatever the model takes in.
template <Scalar A, Device D>
ForwardContext<A, D> begin_pass(const ForwardArgs<A, D>& args) {
  ForwardContext<A, D> context;
  if constexpr (D::tracked) {
    context.training = args.training;
    context.gradient_checkpointing = args.gradient_checkpointing;
    context.neftune_noise_alpha = args.neftune_noise_alpha;
    context.dropout = DropoutStreams(args.dropout_seed);
    detail::current_pass() = {args.training, args.dropout_seed};
  } else {
    context.cache = args.past_key_values;
    context.num_hidden_layers = args.num_hidden_layers;
  }
  return context;
}

/// Checks inputs against each other and the model's longest sequence, and makes the context that layers share.
///   max_positions   0 where the model has no limit of its own (rotary positions)
///   first_position  what is added to each position: the row of 0 in a learned table of max_positions rows
/// Throws shape_error or value_error, naming `where`.
template <Scalar A, Device D>
ForwardContext<A, D> text_pass(const char* where, const TextInputs& inputs, const ForwardArgs<A, D>& args,
                               isize max_positions, isize first_position = 0) {
  const auto& input_ids = inputs.input_ids;
  const auto given = [](const Tensor<i64, 2>& first, const Tensor<i64, 2>& second) { return first ? first : second; };
  const isize B = input_ids.extent(0), T = input_ids.extent(1);
  isize past = 0;
  if constexpr (!D::tracked)
    if (args.past_key_values) past = args.past_key_values->get_seq_length();
  if (B < 1 || T < 1)
    throw shape_error(where, "input_ids", "at least one token", detail::shape_text(input_ids.shape()));
  auto context = begin_pass(args);
  context.key_length = past + T;
  context.position_ids = detail::checked_positions(
      where, input_ids.shape(), given(inputs.position_ids, args.position_ids), past, max_positions, first_position);
  if (const auto mask = given(inputs.attention_mask, args.attention_mask))
    context.key_mask = to_device<typename D::base>(detail::visible_keys(where, mask, {B, past + T}));
  context.token_type_ids = given(inputs.token_type_ids, args.token_type_ids);
  if (context.token_type_ids && context.token_type_ids.shape() != input_ids.shape())
    throw shape_error(where, "token_type_ids", detail::shape_text(input_ids.shape()),
                      detail::shape_text(context.token_type_ids.shape()));
  return context;
}

HFT_COMPILED_IN(MODELS, ForwardContext<f32, cpu> text_pass(const char*, const TextInputs&, const ForwardArgs<f32, cpu>&,
                                                           isize, isize))

#if HFT_DEFINES(MODELS)

HFT_INLINE_ONCE void detail::check_of_one_stream(const char* where, const TextInputs& in) {
  if (in.global_attention_mask)
    throw value_error(where, "global_attention_mask", "none: the model has no global tokens");
  if (in.perm_mask || in.target_mapping)
    throw value_error(where, "perm_mask and target_mapping", "none: the model has one stream");
}

HFT_INLINE Tensor<i64, 2> detail::checked_positions(const char* where, const Shape<2>& shape,
                                                    const Tensor<i64, 2>& given, isize past, isize max_positions,
                                                    isize first) {
  const auto [B, T] = shape;
  const isize rows = given ? given.extent(0) : 1;
  if (given && ((rows != B && rows != 1) || given.extent(1) != T))
    throw shape_error(where, "position_ids", shape_text(shape), shape_text(given.shape()));
  const auto from = given.dense();
  Tensor<i64, 2> ids(shape);
  for (isize i = 0; i < B * T; ++i) {
    const i64 p = given ? from.data()[rows == 1 ? i % T : i] : past + i % T;
    if (p + first < 0 || (max_positions && p + first >= max_positions))
      throw value_error(where, "position",
                        max_positions ? cat("0 <= position < ", max_positions - first) : "position >= 0", joined(p));
    ids.data()[i] = p + first;
  }
  return ids;
}

HFT_INLINE Tensor<i64, 2> positions_past_padding(const Tensor<i64, 2>& input_ids, i64 pad, isize past) {
  const auto ids = input_ids.dense();
  const isize T = ids.extent(1);
  Tensor<i64, 2> positions(ids.shape());
  for (isize b = 0; b < ids.extent(0); ++b)
    for (i64 t = 0, next = pad + 1 + past; t < T; ++t)
      positions.data()[b * T + t] = ids.data()[b * T + t] == pad ? pad : next++;
  return positions;
}

HFT_INLINE Tensor<i64, 2> positions_in_mask(const Tensor<i64, 2>& mask, isize T) {
  const auto shown = mask.dense();
  const isize B = mask.extent(0), S = mask.extent(1);
  Tensor<i64, 2> positions({B, T});
  for (isize b = 0; b < B; ++b)
    for (i64 s = 0, count = 0; s < S; ++s) {
      const bool here = shown.data()[b * S + s] != 0;
      count += here;
      if (s >= S - T) positions.data()[b * T + s - (S - T)] = here ? count - 1 : -1;
    }
  return positions;
}

HFT_INLINE Tensor<u8, 2> detail::visible_keys(const char* where, const Tensor<i64, 2>& mask, const Shape<2>& shape) {
  if (mask.shape() != shape) throw shape_error(where, "attention_mask", shape_text(shape), shape_text(mask.shape()));
  const auto from = mask.dense();
  Tensor<u8, 2> visible(shape);
  bool all = true;
  for (isize i = 0, n = from.size(); i < n; ++i) {
    visible.data()[i] = from.data()[i] != 0;
    all = all && visible.data()[i];
  }
  return all ? Tensor<u8, 2>() : visible;
}

#endif  // HFT_DEFINES

}  // namespace hft
