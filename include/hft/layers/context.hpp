// ForwardContext: what the layers of one forward pass share.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include <hft/layers/cache.hpp>
#include <hft/layers/rotary_tables.hpp>
#include <hft/ops/dropout_mask.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// Which random numbers each dropout of a forward pass takes: the n-th of a layer its own stream, whatever ran before.
class DropoutStreams {
 public:
  DropoutStreams() = default;
  explicit DropoutStreams(std::uint64_t seed) : seed_(seed) {}

  void begin_layer(isize layer) { next_ = std::uint64_t(layer + 1) << 16; }
  Dropout next(f64 p) { return {.p = p, .seed = seed_, .stream = next_++}; }
  random_stream noise() const { return random_stream(seed_, ~std::uint64_t(0)); }

 private:
  std::uint64_t seed_ = 0, next_ = 0;
};

namespace detail {
// The training pass that runs on this thread, for layers that see only their input.
struct training_pass {
  bool training = false;
  std::uint64_t dropout_seed = 0;
};
inline training_pass& current_pass() {
  static thread_local training_pass pass;
  return pass;
}

// What a pass has on some devices only.
template <Scalar A, Device D>
struct pass_state {
  Cache<A, D>* cache = nullptr;  // null: the tokens see each other only
  isize num_hidden_layers = 0;   // that the pass goes through; 0: all
};
template <Scalar A, Device D>
requires(D::tracked) struct pass_state<A, D> {
  bool training = false;  // dropout is active
  bool gradient_checkpointing = false;
  f64 neftune_noise_alpha = 0;
  f64 layer_drop = 0;  // the share of layers that are left out
  DropoutStreams dropout;
};
}  // namespace detail

/// The other sequence of cross-attention.
template <class X>
struct cross_source {
  X states = {};                                      // (B,S,C)
  Tensor<u8, 2, typename X::device::base> mask = {};  // (B,S), 0 hides a state; empty: all visible
};

template <Scalar A, Device D = cpu>
struct ForwardContext : detail::pass_state<A, D> {
  using base = typename D::base;
  Tensor<i64, 2> position_ids;     // (B,T)
  Tensor<i64, 2> token_type_ids;   // (B,T); empty: all of the first type
  isize key_length = 0;            // S: cached tokens and new ones
  isize words = 0;                 // of a pass over words and entities behind them: the words; 0: there are no entities
  Tensor<u8, 2, base> key_mask;    // (B,S), 0 hides a key; empty: all visible
  Tensor<A, 4, D> attention_bias;  // (1|B,1|H,T,S), of every self-attention; empty: none
  cross_source<Tensor<A, 3, D>> source;  // of cross-attention; of attention to relative positions their rows (1,P,C)
  bool padding_sees_nothing = false;     // whether attention gives zeros to hidden tokens (BigBird)
  Tensor<f32, 3> target_mapping;         // (B,M,T), of a second stream: the places that it asks for (XLNet)
  Tensor<f32, 3> hidden_pairs;           // (B,T,T), not 0 where a query does not see a key; empty: none
  Tensor<i64, 2> global_tokens;          // (B,T), not 0 where a token sees and is seen by all (Longformer); empty: none
  // The angles of this pass, for each set of frequencies that its layers have; shared with copies of the context.
  std::shared_ptr<RotaryTables<A, D>> rotary = std::make_shared<RotaryTables<A, D>>();
  // Where someone asked for them, what layers take in and give, and the weights of attention.
  std::vector<Tensor<A, 3, D>>* hidden_states = nullptr;  // (B,T,C) each
  std::vector<Tensor<A, 4, base>>* attentions = nullptr;  // (B,H,T,S) each
  std::vector<Tensor<A, 4, base>>* cross_attentions = nullptr;
  std::vector<Tensor<A, 2, D>>* router_logits = nullptr;  // (B T,E) each
};

}  // namespace hft
