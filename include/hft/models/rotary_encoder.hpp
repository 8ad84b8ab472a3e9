// Encoders of BERT's kind with rotary positions, and queries, keys and values from one projection: the config that they
// share, and their backbone.
#pragma once
#include <hft/layers/fused_attention.hpp>
#include <hft/models/decoder.hpp>
#include <hft/models/encoder.hpp>

namespace hft {

/// An EncoderConfig that turns queries and keys in the place of a table of positions.
struct RotaryEncoderConfig : EncoderConfig {
  RopeParameters rope_parameters{};
  std::optional<isize> head_dim = {};  // default: hidden_size / num_attention_heads

  void fields(field_visitor& v);
  /// As EncoderConfig's; config_error also for heads that positions do not fit.
  void check(const char* model_type) const;

  void complete_from(const gguf_file& file);
  isize max_positions() const { return 0; }
  AttentionOptions attention(isize layer) const;
  /// Post-norm, without a pooler.
  TextModelOptions<> text_model(const char* where) const;

  static constexpr name_rule gguf_norm_names[] = {
      {"model.layers.*.input_layernorm", "blk.*.attn_output_norm"},
      {"model.layers.*.post_attention_layernorm", "blk.*.layer_output_norm"}};
  static constexpr auto gguf_names = joined_rules(gguf_norm_names, EncoderConfig::gguf_names);
};

/// The backbone, pre-norm or post-norm as the options say, its MLP of any kind.
template <class B>
using RotaryEncoderBlock = TransformerBlock<LayerNorm<B>, FusedSelfAttention<B, rope>, FeedForward<B>>;
template <class B>
using RotaryEncoder = TextModel<RotaryEncoderBlock, LayerNorm, B>;

#if HFT_DEFINES(MODELS)

HFT_INLINE void RotaryEncoderConfig::fields(field_visitor& v) {
  EncoderConfig::fields(v);
  v("rope_parameters", rope_parameters);
  v("head_dim", head_dim, v.extent.gguf("attention.key_length").written_if_set());
}

HFT_INLINE void RotaryEncoderConfig::complete_from(const gguf_file& file) {
  EncoderConfig::complete_from(file);
  if (const auto* base = gguf_says(file, "rope.freq_base")) rope_parameters.rope_theta = base->as_f64();
}

HFT_INLINE void RotaryEncoderConfig::check(const char* model_type) const {
  if (!head_dim) EncoderConfig::check(model_type);
  check_heads(attention(0), model_type);
  find_activation(hidden_act, model_type);
}

HFT_INLINE AttentionOptions RotaryEncoderConfig::attention(isize layer) const {
  const isize size = head_dim.value_or(hidden_size / num_attention_heads);
  const isize turned = isize(f64(size) * rope_parameters.partial_rotary_factor.value_or(1));
  return {.hidden_size = hidden_size,
          .num_heads = num_attention_heads,
          .num_kv_heads = num_attention_heads,
          .head_dim = size,
          .layer = layer,
          .bias = true,
          .output_bias = true,
          .visible = visibility::everything(),
          .dropout = attention_probs_dropout_prob,
          .rope = RopeScaling(rope_parameters, turned, max_position_embeddings)};
}

HFT_INLINE TextModelOptions<> RotaryEncoderConfig::text_model(const char* where) const {
  auto o = EncoderConfig::text_model(where);
  o.pooler.reset();
  o.embeddings.max_positions = 0;
  for (auto& layer : o.layers) {
    layer.norms = norms::of_the_sum;
    layer.attention = attention(layer.attention.layer);
  }
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
