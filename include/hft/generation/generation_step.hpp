// generation_step: the one thing that generation asks of a model, a forward pass for the scores of the next token. All
// else in generation/ is compiled once, whatever the number of architectures.
#pragma once
#include <memory>
#include <span>
#include <vector>

#include <hft/layers/cache.hpp>
#include <hft/models/generation_config.hpp>
#include <hft/tensor.hpp>

namespace hft::detail {

/// What a pass computed on its way, of each layer.
struct step_states {
  std::vector<Tensor<f32, 3>> hidden_states;                 // (B,T,C)
  std::vector<Tensor<f32, 4>> attentions, cross_attentions;  // (B,H,T,S)
};

class generation_step {
 public:
  virtual ~generation_step() = default;

  /// The scores (B * keep, V) of the tokens after the `keep` last of `input_ids` (B,T), valid until the next call and
  /// for change by the caller.
  ///   attention_mask  (B, past + T) or empty;  position_ids (B,T) or empty
  ///   cached          whether the keys and values go to the cache: then only what it lacks is given
  virtual matrix<f32> operator()(const Tensor<i64, 2>& input_ids, const Tensor<i64, 2>& attention_mask,
                                 const Tensor<i64, 2>& position_ids, bool cached, isize keep) = 0;

  /// Whether a pass is to leave these in `states`.
  bool output_hidden_states = false, output_attentions = false;
  step_states states;
  std::vector<Tensor<f32, 3>> encoder_hidden_states;  // (B,S,C), of begin
  std::vector<Tensor<f32, 4>> encoder_attentions;     // (B,H,S,S)

  /// The first so many layers alone give scores (an early exit); 0: all.
  isize num_hidden_layers = 0;

  /// What the head over the vocabulary makes of hidden states (B,T,C): (B * T, V), as scores are. Throws
  /// unsupported_error for a model without one.
  virtual matrix<f32> head(const Tensor<f32, 3>& hidden) = 0;

  /// Whether the head's weights are the table of the tokens.
  virtual bool ties_embeddings() const = 0;

  /// The same model from the beginning, with a cache of its own.
  virtual std::unique_ptr<generation_step> again() const = 0;

  /// Forgets the tokens from `length` on. Throws as CacheBase::crop.
  virtual void crop(isize length) = 0;

  /// Where an encoder is part of the model: it reads the prompts, once, and what is generated is the decoder's alone.
  bool encodes = false;
  virtual void begin(const Tensor<i64, 2>& /*prompts*/, const Tensor<i64, 2>& /*attention_mask*/,
                     const Tensor<i64, 2>& /*global_attention_mask*/) {}

  /// Whether each call is given all tokens, whatever is cached, and padding as if it were text (XLNet).
  bool reads_all = false;

  /// Makes row i what row rows[i] was, in all that is kept between calls.
  virtual void reorder(std::span<const isize> rows, bool cached) = 0;

  /// Takes a cache of the config's kind, for `room` tokens, in the place of its own. Throws as make_cache.
  virtual void take_cache(const GenerationConfig& config, isize room) = 0;

  /// Forgets what is kept of the tokens between calls.
  virtual void reset() {}
  /// See CacheOptions::renewed_after.
  isize cache_renewed_after = 0;

  /// Positions at which the model ends: 0 where it has no such limit, as with rotary positions.
  isize max_positions = 0;
  /// Whether all that it keeps of a token can be forgotten again: no recurrent layer.
  bool keeps_all = true;
  /// Of its scores, where its config says it, else 0.
  isize vocab_size = 0;
  /// The length it was trained for, where its config says it, else 0.
  isize max_position_embeddings = 0;
};

}  // namespace hft::detail
