// AttentionOptions: what an attention layer is made from; an architecture's config fills it in for each layer.
#pragma once
#include <optional>

#include <hft/error.hpp>
#include <hft/layers/mamba_options.hpp>
#include <hft/layers/rope_scaling.hpp>
#include <hft/ops/activation_kind.hpp>
#include <hft/ops/heads.hpp>

namespace hft {

/// A norm of queries and of keys.
struct QKNormOptions {
  f64 eps = 1e-6;
  bool weight = true;             // else there is no parameter at all (Llama 4)
  bool per_head = true;           // over each head's elements (Qwen3), else over all heads together (OLMo 2)
  bool weight_of_heads = false;   // whether each head has a weight of its own (Cohere): (heads, head_dim), and no bias
  bool weights_apart = false;     // the same as parameters norms.0.weight, norms.1.weight, ... (StableLM)
  bool bias = false;              // LayerNorm only
  bool weight_from_zero = false;  // see NormOptions
  bool after_positions = false;   // whether what is normed has been turned (HunYuan), else it is before
};

/// Linear biases as alibi adds them.
struct AlibiOptions {
  f64 bias_max = 8;              // the slopes of n heads are 2^(-bias_max/n), 2^(-2 bias_max/n), ...
  bool from_next_power = false;  // of heads that are no power of two: every second slope of the next power first (MPT)
  f64 factor = 1;                // of all slopes
};

/// How the rows of a fused projection lie: groups one behind the other, each the rows of its queries, keys and values.
struct QKVLayout {
  isize groups =
      1;  // num_kv_heads: each key's head beside its queries (GPT-NeoX, Falcon); 1: all queries first (GPT-2)
  bool values_before_keys = false;  // in each group (CodeGen)
};

/// Of a LatentAttention: queries, keys and values come of narrow projections (DeepSeek-V2). A head's queries and keys
/// have elements without positions and behind them `rope_size` that are turned, which of keys are the same in all
/// heads.
struct LatentOptions {
  isize query_rank = 0;  // channels that queries come of; 0: of the layer's own
  isize key_value_rank = 0;
  isize rope_size = 0;
  isize value_size = 0;  // of a head
  f64 eps = 1e-6;        // of the norms of both
};

/// Of a DecayAttention: a sum over the past in the place of a softmax (MiniMax).
struct DecayOptions {
  Activation activation = Activation::silu;  // of queries, keys and values
  f64 factor = 1;                            // of the heads' rates of decay, 2^(-8/n), 2^(-16/n), ...
  f64 eps = 1e-6;                            // of its norm
};

/// Of a ShortConvolution: a gated convolution over the last tokens in the place of attention (LFM2).
struct ShortConvolutionOptions {
  isize taps = 3;
  bool bias = false;  // of all its layers
};

/// By which queries grow with their place in the text, so that among more keys they are as sharp: the query at place p,
/// from 0 on, is multiplied by 1 + strength * log(1 + floor((p + 1) / step)). (Nakanishi 2025, arXiv 2501.19399)
struct TemperatureOptions {
  isize step;
  f64 strength;
};

/// Of a GatedDeltaNet: a state that forgets and corrects itself in the place of a softmax (Qwen3-Next). Its heads are
/// its own, not those of the layer's options.
struct GatedDeltaOptions {
  isize num_key_heads, num_value_heads;  // a key's head serves several values' heads, one behind the other
  isize key_size, value_size;            // of a head
  isize conv_kernel = 4;
  Activation activation = Activation::silu;  // after the convolution
  f64 eps = 1e-6;                            // of its norm
  bool fused = false;  // whether two projections make all that it needs, by groups of a key's head and its values'
};

/// Of a GatedRecurrence (Griffin).
struct RecurrenceOptions {
  isize width = 0;  // channels of the recurrence, divided among the heads
  isize taps = 4;   // tokens that the convolution before it sees
  Activation activation = Activation::gelu_pytorch_tanh;
};

/// Of a StreamAttention.
struct StreamOptions {
  isize count = 0;  // streams beside the text
  isize num_buckets = 32, max_distance = 128;
  isize step_shift = 0;  // by which distances are longer where a cache holds the past
};

struct AttentionOptions {
  isize hidden_size;
  isize num_heads;
  isize num_kv_heads;
  isize head_dim;
  isize layer = 0;     // its place in the cache
  bool bias = false;   // of the query, key and value projections
  bool fused = false;  // of layers that may be either: whether one projection makes queries, keys and values
  bool output_bias = false;
  visibility visible = {};               // causal unless said otherwise
  std::optional<f64> scale = {};         // of the scores; default 1 / sqrt(head_dim)
  f64 softcap = 0;                       // scores become softcap * tanh(score / softcap); 0: none
  f64 dropout = 0;                       // of the weights, in a training pass
  std::optional<RopeScaling> rope = {};  // of rotary positions; turns the first dim() of each head's elements
  bool interleaved = false;              // whether neighbours are turned together (GPT-J), not halves (Llama)
  bool rotary = true;                    // false: this layer knows no order, whatever others do (SmolLM3)
  bool stored_frequencies = false;       // of a SelfAttention: whether checkpoints have rope's frequencies (ESM)
  bool rotary_values = false;            // whether values are turned, too (RoFormer)
  bool output_gate = false;              // of a SelfAttention: whether q_proj makes a gate behind each head's query
  AlibiOptions alibi = {};
  std::optional<QKNormOptions> qk_norm = {};
  std::optional<f64> clip_qkv = {};  // queries, keys and values are cut off at +- this
  QKVLayout qkv = {};                // of a FusedSelfAttention
  std::optional<TemperatureOptions> temperature = {};
  std::optional<f64> sub_norm = {};  // of a SelfAttention: the eps of a norm of what o_proj sees (BitNet)
  bool sinks = false;                // whether each head has a score of its own that no value has (GPT-OSS)
  bool entity_aware = false;         // of an EntityAwareAttention: whether queries depend on what keys are (LUKE)
  std::optional<LatentOptions> latent = {};
  std::optional<DecayOptions> decay = {};
  std::optional<ShortConvolutionOptions> convolution = {};
  std::optional<GatedDeltaOptions> delta = {};
  std::optional<MambaMixerOptions> mamba = {};  // of a MambaMixer in the place of attention
  std::optional<RecurrenceOptions> recurrence = {};
  isize side_block = 0;  // of a SideAttention: the tokens whose sum is one more key; 0: there is none
  f64 side_eps = 1e-6;   // of the norm of these sums
  StreamOptions streams = {};
  isize source_size = 0;  // of cross-attention: the other sequence's channels; 0: hidden_size

  /// Whether the layer keeps a state, not keys and values.
  bool recurrent() const { return decay || convolution || delta || mamba || recurrence; }
};

/// Throws config_error unless the heads fit each other, and rotary positions fit them. `where` names the config.
inline void check_heads(const AttentionOptions& o, const char* where) {
  if (o.num_heads < 1 || o.num_kv_heads < 1 || o.num_heads % o.num_kv_heads)
    throw config_error(where, "attention heads", "num_key_value_heads to divide num_attention_heads",
                       detail::joined(o.num_kv_heads, " and ", o.num_heads));
  if (o.head_dim < 1) throw config_error(where, "head_dim", "at least 1", detail::joined(o.head_dim));
  if (o.rope && o.rope->dim() > o.head_dim)
    throw config_error(where, "partial_rotary_factor",
                       detail::joined("at most head_dim = ", o.head_dim, " elements, an even number of them"),
                       detail::joined(o.rope->dim()));
}

}  // namespace hft
