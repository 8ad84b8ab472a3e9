// What forward passes take and return, with the names of Transformers' forward.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include <hft/io/stored_tensor.hpp>
#include <hft/layers/context.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// The arguments of a forward pass beside input_ids (B,T). Empty tensors mean Transformers' None.
template <Scalar A = f32, Device D = cpu>
struct ForwardArgs {
  Tensor<i64, 2> attention_mask = {};  // (B, cached + T): 0 hides a position; empty: all visible
  Tensor<i64, 2> position_ids = {};    // (B,T) or (1,T); empty: counted from the cache's length, whatever the mask
  Tensor<i64, 2> token_type_ids = {};  // (B,T), BERT and GPT-2
  Cache<A, D>* past_key_values = nullptr;
  isize logits_to_keep = 0;                                      // logits of the last so many positions only; 0: of all
  bool output_hidden_states = false, output_attentions = false;  // whether the output has them, too
};

/// The same on a device that records: with labels, and without a cache, through which nothing can be trained.
template <Scalar A, Device D>
requires(D::tracked) struct ForwardArgs<A, D> {
  Tensor<i64, 2> attention_mask = {};
  Tensor<i64, 2> position_ids = {};
  Tensor<i64, 2> token_type_ids = {};
  isize logits_to_keep = 0;
  Tensor<i64, 2> labels = {};      // (B,T) of a language model, unshifted; (B,T) classes of tokens; (B,1) of sequences
  Tensor<f32, 2> values = {};      // (B,labels): what labels are where a sequence has real values or several classes
  isize num_items_in_batch = 0;    // what the summed loss of a language model is divided by; 0: the labels that count
  f64 label_smoothing = 0;         // this share of each label is spread over all classes
  bool return_logits = false;      // with labels, too, a language model's logits, which it otherwise never holds
  bool training = false;           // dropout is active
  std::uint64_t dropout_seed = 0;  // a seed for each step gives each step its own masks
  f64 neftune_noise_alpha = 0;     // in training, noise on the embeddings (Jain et al. 2023, arXiv 2310.05914)
  bool gradient_checkpointing = false;  // layers are computed again in backward, not saved
  bool output_hidden_states = false, output_attentions = false;
};

namespace detail {
struct no_loss {};
}  // namespace detail
/// The loss of an output, one element, empty without labels; nothing on a device that does not record.
template <class A, class D>
using loss_t = std::conditional_t<D::tracked, Tensor<A, 1, D>, detail::no_loss>;

template <Scalar A = f32, Device D = cpu>
struct BaseModelOutput {
  Tensor<A, 3, D> last_hidden_state = {};                       // (B,T,C)
  Tensor<A, 2, D> pooler_output = {};                           // (B,C); empty without a pooler
  std::vector<Tensor<A, 3, D>> hidden_states = {};              // (B,T,C) each, where asked for
  std::vector<Tensor<A, 4, typename D::base>> attentions = {};  // (B,H,T,S) each, where asked for
};
template <Scalar A = f32, Device D = cpu>
using BaseModelOutputWithPooling = BaseModelOutput<A, D>;
template <Scalar A = f32, Device D = cpu>
struct CausalLMOutput {
  static constexpr bool next_token = true;  // logits are of the token that follows
  Tensor<A, 3, D> logits = {};              // (B,T,V)
  [[no_unique_address]] loss_t<A, D> loss = {};
  std::vector<Tensor<A, 3, D>> hidden_states = {};              // (B,T,C) each, where asked for
  std::vector<Tensor<A, 4, typename D::base>> attentions = {};  // (B,H,T,S) each, where asked for
};
template <Scalar A = f32, Device D = cpu>
struct MaskedLMOutput {
  static constexpr bool next_token = false;
  Tensor<A, 3, D> logits = {};  // (B,T,V)
  [[no_unique_address]] loss_t<A, D> loss = {};
  std::vector<Tensor<A, 3, D>> hidden_states = {};              // (B,T,C) each, where asked for
  std::vector<Tensor<A, 4, typename D::base>> attentions = {};  // (B,H,T,S) each, where asked for
};
template <Scalar A = f32, Device D = cpu>
struct SequenceClassifierOutput {
  Tensor<A, 2, D> logits = {};  // (B,labels)
  [[no_unique_address]] loss_t<A, D> loss = {};
  std::vector<Tensor<A, 3, D>> hidden_states = {};              // (B,T,C) each, where asked for
  std::vector<Tensor<A, 4, typename D::base>> attentions = {};  // (B,H,T,S) each, where asked for
};
template <Scalar A = f32, Device D = cpu>
struct TokenClassifierOutput {
  Tensor<A, 3, D> logits = {};  // (B,T,labels)
  [[no_unique_address]] loss_t<A, D> loss = {};
  std::vector<Tensor<A, 3, D>> hidden_states = {};              // (B,T,C) each, where asked for
  std::vector<Tensor<A, 4, typename D::base>> attentions = {};  // (B,H,T,S) each, where asked for
};

namespace detail {
// A tensor under a name, its memory kept alive: as files and tools take it.
template <Scalar A, std::size_t R, BaseDevice D>
void add_named(std::vector<stored_tensor>& out, const char* name, const Tensor<A, R, D>& t) {
  if (!t) return;
  static_assert(D::host_memory, "hft: named outputs are read on the host");
  const auto dense = std::make_shared<const Tensor<A, R, D>>(t.dense());
  out.push_back({name,
                 dtype<A>::id,
                 {t.shape().begin(), t.shape().end()},
                 std::as_bytes(std::span(dense->data(), std::size_t(dense->size()))),
                 dense});
}
}  // namespace detail

/// The outputs that are there, under the names of their fields.
template <class Output>
std::vector<stored_tensor> named_outputs(const Output& y) {
  std::vector<stored_tensor> out;
  if constexpr (requires { y.logits; }) detail::add_named(out, "logits", y.logits);
  if constexpr (requires { y.last_hidden_state; }) detail::add_named(out, "last_hidden_state", y.last_hidden_state);
  if constexpr (requires { y.pooler_output; }) detail::add_named(out, "pooler_output", y.pooler_output);
  for (std::size_t i = 0; i < y.hidden_states.size(); ++i)
    detail::add_named(out, detail::cat("hidden_states.", i).c_str(), y.hidden_states[i]);
  for (std::size_t i = 0; i < y.attentions.size(); ++i)
    detail::add_named(out, detail::cat("attentions.", i).c_str(), y.attentions[i]);
  return out;
}

/// The last `keep` positions of x (B,T,C), or all where keep is 0.
template <Scalar A, Device D>
Tensor<A, 3, D> last_positions(const Tensor<A, 3, D>& x, isize keep) {
  const isize T = x.extent(1);
  return keep > 0 && keep < T ? x.slice(1, T - keep, T) : x;
}

/// Gives a head's output the states that its base model shows.
template <class Base, class Output>
void show_states(const Base& base, Output& out) {
  out.hidden_states = base.hidden_states;
  out.attentions = base.attentions;
}

/// What a language model returns: the head's logits of the positions that args keep; on a device that records, and
/// given labels, their loss, and logits only where args ask for both.
template <class Output, class X, class Base, class Head, class Args>
Output language_model_output(const X& hidden, const Base& base, const Head& head, const Args& args) {
  Output out;
  show_states(base, out);
  if constexpr (X::device::tracked) {
    if (args.labels) {
      out.loss = language_model_loss<Output>(hidden, head, args);
      if (args.return_logits) out.logits = head(last_positions(hidden, args.logits_to_keep));
      return out;
    }
  }
  out.logits = head(last_positions(hidden, args.logits_to_keep));
  return out;
}

namespace detail {
/// The positions of tokens (B,T): those given, (B,T) or (1,T) for every row, else counted from `past` on. Throws
/// shape_error, or value_error for one below 0 or, where max_positions is not 0, from there on.
Tensor<i64, 2> checked_positions(const char* where, const Shape<2>& shape, const Tensor<i64, 2>& given, isize past,
                                 isize max_positions);
/// Which keys (B,S) a mask leaves visible, as bytes; empty where it leaves all. Throws shape_error.
Tensor<u8, 2> visible_keys(const char* where, const Tensor<i64, 2>& mask, const Shape<2>& shape);
}  // namespace detail

/// Checks input_ids and args against each other and the model's longest sequence, and makes the context that layers
/// share.
///   max_positions  0 where the model has no limit of its own (rotary positions)
/// Throws shape_error or value_error, naming `where`.
template <Scalar A, Device D>
ForwardContext<A, D> make_context(const char* where, const Tensor<i64, 2>& input_ids, const ForwardArgs<A, D>& args,
                                  isize max_positions) {
  const isize B = input_ids.extent(0), T = input_ids.extent(1);
  isize past = 0;
  if constexpr (!D::tracked)
    if (args.past_key_values) past = args.past_key_values->get_seq_length();
  if (B < 1 || T < 1)
    throw shape_error(where, "input_ids", "at least one token", detail::shape_text(input_ids.shape()));
  ForwardContext<A, D> context;
  if constexpr (D::tracked) {
    context.training = args.training;
    context.gradient_checkpointing = args.gradient_checkpointing;
    context.neftune_noise_alpha = args.neftune_noise_alpha;
    context.dropout = DropoutStreams(args.dropout_seed);
    detail::current_pass() = {args.training, args.dropout_seed};
  } else {
    context.cache = args.past_key_values;
  }
  context.key_length = past + T;
  context.position_ids = detail::checked_positions(where, input_ids.shape(), args.position_ids, past, max_positions);
  if (args.attention_mask)
    context.key_mask = to_device<typename D::base>(detail::visible_keys(where, args.attention_mask, {B, past + T}));
  return context;
}

#if HFT_DEFINES(MODELS)

HFT_INLINE Tensor<i64, 2> detail::checked_positions(const char* where, const Shape<2>& shape,
                                                    const Tensor<i64, 2>& given, isize past, isize max_positions) {
  const auto [B, T] = shape;
  const isize rows = given ? given.extent(0) : 1;
  if (given && ((rows != B && rows != 1) || given.extent(1) != T))
    throw shape_error(where, "position_ids", shape_text(shape), shape_text(given.shape()));
  const auto from = given.dense();
  Tensor<i64, 2> ids(shape);
  for (isize i = 0; i < B * T; ++i) {
    const i64 p = given ? from.data()[rows == 1 ? i % T : i] : past + i % T;
    if (p < 0 || (max_positions && p >= max_positions))
      throw value_error(where, "position", max_positions ? cat("0 <= position < ", max_positions) : "position >= 0",
                        joined(p));
    ids.data()[i] = p;
  }
  return ids;
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
