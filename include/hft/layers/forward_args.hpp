// ForwardArgs: how a forward pass is run, with the names of Transformers' forward.
#pragma once
#include <cstdint>

#include <hft/layers/cache.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// How a forward pass is run. The tensors are those of TextInputs, where these are not given as a whole:
/// model(input_ids, {.attention_mask = mask}).
template <Scalar A = f32, Device D = cpu>
struct ForwardArgs {
  Tensor<i64, 2> attention_mask = {};  // of a model over tokens: see TextInputs
  Tensor<i64, 2> position_ids = {};
  Tensor<i64, 2> token_type_ids = {};
  cache_pointer<A, D> past_key_values = nullptr;
  isize logits_to_keep = 0;                                      // logits of the last so many positions only; 0: of all
  bool output_hidden_states = false, output_attentions = false;  // whether the output has them, too
  isize num_hidden_layers = 0;  // an early exit: the first so many layers (of a decoder) alone; 0: all
};

/// The same on a device that records: with labels, and without a cache, through which nothing can be trained.
template <Scalar A, Device D>
requires(D::tracked) struct ForwardArgs<A, D> {
  Tensor<i64, 2> attention_mask = {};
  Tensor<i64, 2> position_ids = {};
  Tensor<i64, 2> token_type_ids = {};
  isize logits_to_keep = 0;
  Tensor<i64, 2> labels = {};     // (B,T) of a language model, unshifted; (B,T) classes of tokens; (B,1) of sequences
  Tensor<f32, 2> values = {};     // (B,labels): what labels are where a sequence has real values or several classes
  Tensor<i64, 2> mc_labels = {};  // (B,1) of DoubleHeadsModel: which of several texts fits
  Tensor<i64, 2> entity_labels = {};    // (B,E) of LUKE's masked entities
  Tensor<i64, 2> sentence_labels = {};  // (B,1), next_sentence_label or sentence_order_label of ForPreTraining
  Tensor<i64, 2> start_positions = {}, end_positions = {};  // (B,1): of the span that answers; outside: not counted
  isize num_items_in_batch = 0;    // what the summed loss of a language model is divided by; 0: the labels that count
  f64 label_smoothing = 0;         // this share of each label is spread over all classes
  bool return_logits = false;      // with labels, too, a language model's logits, which it otherwise never holds
  bool training = false;           // dropout is active
  std::uint64_t dropout_seed = 0;  // a seed for each step gives each step its own masks
  f64 neftune_noise_alpha = 0;     // in training, noise on the embeddings (Jain et al. 2023, arXiv 2310.05914)
  bool gradient_checkpointing = false;  // layers are computed again in backward, not saved
  bool output_hidden_states = false, output_attentions = false;
};

}  // namespace hft
