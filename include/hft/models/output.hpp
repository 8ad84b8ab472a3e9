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
template <Scalar A = f32, BaseDevice D = cpu>
struct ForwardArgs {
  Tensor<i64, 2> attention_mask = {};  // (B, cached + T): 0 hides a position; empty: all visible
  Tensor<i64, 2> position_ids = {};    // (B,T); empty: counted from the cache's length, whatever the mask
  Tensor<i64, 2> token_type_ids = {};  // (B,T), BERT
  Cache<A, D>* past_key_values = nullptr;
  isize logits_to_keep = 0;  // logits of the last so many positions only; 0: of all
};

template <Scalar A = f32, BaseDevice D = cpu>
struct BaseModelOutput {
  Tensor<A, 3, D> last_hidden_state;  // (B,T,C)
};
template <Scalar A = f32, BaseDevice D = cpu>
struct BaseModelOutputWithPooling {
  Tensor<A, 3, D> last_hidden_state;  // (B,T,C)
  Tensor<A, 2, D> pooler_output;      // (B,C); empty without a pooler
};
template <Scalar A = f32, BaseDevice D = cpu>
struct CausalLMOutput {
  Tensor<A, 3, D> logits;  // (B,T,V)
};
template <Scalar A = f32, BaseDevice D = cpu>
struct MaskedLMOutput {
  Tensor<A, 3, D> logits;  // (B,T,V)
};
template <Scalar A = f32, BaseDevice D = cpu>
struct SequenceClassifierOutput {
  Tensor<A, 2, D> logits;  // (B,labels)
};
template <Scalar A = f32, BaseDevice D = cpu>
struct TokenClassifierOutput {
  Tensor<A, 3, D> logits;  // (B,T,labels)
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
  return out;
}

/// The last `keep` positions of x (B,T,C), or all where keep is 0.
template <Scalar A, BaseDevice D>
Tensor<A, 3, D> last_positions(const Tensor<A, 3, D>& x, isize keep) {
  const isize T = x.extent(1);
  return keep > 0 && keep < T ? x.slice(1, T - keep, T) : x;
}

/// Checks input_ids and args against each other and the model's longest sequence, and makes the context that layers
/// share.
///   max_positions  0 where the model has no limit of its own (rotary positions)
/// Throws shape_error or value_error, naming `where`.
template <Scalar A, BaseDevice D>
ForwardContext<A, D> make_context(const char* where, const Tensor<i64, 2>& input_ids, const ForwardArgs<A, D>& args,
                                  isize max_positions) {
  const isize B = input_ids.extent(0), T = input_ids.extent(1);
  const isize past = args.past_key_values ? args.past_key_values->get_seq_length() : 0;
  if (B < 1 || T < 1)
    throw shape_error(where, "input_ids", "at least one token", detail::shape_text(input_ids.shape()));
  ForwardContext<A, D> context;
  context.cache = args.past_key_values;
  context.key_length = past + T;
  if (args.position_ids) {
    if (args.position_ids.shape() != input_ids.shape())
      throw shape_error(where, "position_ids", detail::shape_text(input_ids.shape()),
                        detail::shape_text(args.position_ids.shape()));
    context.position_ids = args.position_ids.dense();
  } else {
    context.position_ids = Tensor<i64, 2>({B, T});
    for (isize i = 0; i < B * T; ++i) context.position_ids.data()[i] = past + i % T;
  }
  for (isize i = 0; i < B * T; ++i) {
    const i64 p = context.position_ids.data()[i];
    if (p < 0 || (max_positions && p >= max_positions))
      throw value_error(where, "position",
                        max_positions ? detail::cat("0 <= position < ", max_positions) : "position >= 0",
                        detail::cat(p));
  }
  if (args.attention_mask) {
    if (args.attention_mask.shape() != Shape<2>{B, past + T})
      throw shape_error(where, "attention_mask", detail::shape_text(Shape<2>{B, past + T}),
                        detail::shape_text(args.attention_mask.shape()));
    const auto mask = args.attention_mask.dense();
    bool all = true;
    for (isize i = 0; i < mask.size(); ++i) all = all && mask.data()[i] != 0;
    if (!all) {
      std::vector<u8> bytes(std::size_t(mask.size()));
      for (isize i = 0; i < mask.size(); ++i) bytes[std::size_t(i)] = mask.data()[i] != 0;
      context.key_mask = Tensor<u8, 2, D>::from(bytes, mask.shape());
    }
  }
  return context;
}

}  // namespace hft
