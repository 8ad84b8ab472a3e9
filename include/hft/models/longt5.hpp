// LongT5: T5 whose encoder sees a window, and besides where it says so the sums of blocks. Guo et al. 2021, arXiv
// 2112.07916. transformers/models/longt5/modeling_longt5.py
#pragma once
#include <hft/layers/side_attention.hpp>
#include <hft/models/t5.hpp>

namespace hft {

/// transformers.LongT5Config; fields have its names and defaults.
struct LongT5Config : T5Config {
  isize local_radius = 127;                       // tokens on either side that a token sees
  isize global_block_size = 16;                   // tokens whose sum all see, with
  short_string encoder_attention_type = "local";  // "transient-global"
  std::optional<i64> bos_token_id = {};
  bool is_decoder = false;

  static constexpr const char* model_type = "longt5";
  static constexpr const char* class_prefix = "LongT5";

  void fields(field_visitor& v);
  void check() const;

  TextModelOptions<> encoder() const;

  static constexpr name_rule encoder_rules[] = {
      {"encoder.position_bias.sides", "encoder.block.0.layer.0.TransientGlobalSelfAttention"},
      {"encoder.position_bias", "encoder.block.0.layer.0.LocalSelfAttention"},
      {"encoder.layers.*.self_attn.sides.q_proj", "encoder.block.*.layer.0.TransientGlobalSelfAttention.q"},
      {"encoder.layers.*.self_attn.sides.k_proj", "encoder.block.*.layer.0.TransientGlobalSelfAttention.k"},
      {"encoder.layers.*.self_attn.sides.v_proj", "encoder.block.*.layer.0.TransientGlobalSelfAttention.v"},
      {"encoder.layers.*.self_attn.sides.o_proj", "encoder.block.*.layer.0.TransientGlobalSelfAttention.o"},
      {"encoder.layers.*.self_attn.sides.global_input_layernorm",
       "encoder.block.*.layer.0.TransientGlobalSelfAttention.global_input_layer_norm"},
      {"encoder.layers.*.self_attn.q_proj", "encoder.block.*.layer.0.LocalSelfAttention.q"},
      {"encoder.layers.*.self_attn.k_proj", "encoder.block.*.layer.0.LocalSelfAttention.k"},
      {"encoder.layers.*.self_attn.v_proj", "encoder.block.*.layer.0.LocalSelfAttention.v"},
      {"encoder.layers.*.self_attn.o_proj", "encoder.block.*.layer.0.LocalSelfAttention.o"}};
  static constexpr auto rules = joined_rules(encoder_rules, attention_rules, mlp_rules);
  static constexpr name_tables names{
      .base_model_prefix = "", .rules = rules, .ignored = ignored, .may_be_left = may_be_left};

 private:
  bool sides() const { return encoder_attention_type == short_string("transient-global"); }
};

template <class B>
using LongT5EncoderBlock = PreNormBlock<RMSNorm<B>, SideAttention<B>, SparseMLP<B, FeedForward<B>>>;

namespace detail {
template <class B>
using LongT5Encoder = TextModel<LongT5EncoderBlock, RMSNorm, B>;
template <class B>
using LongT5Base = Seq2SeqModel<LongT5Encoder<B>, TextModel<T5DecoderBlock, RMSNorm, B>>;
}  // namespace detail

template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using LongT5Model = PreTrainedModel<LongT5Config, detail::LongT5Base<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using LongT5ForConditionalGeneration =
    PreTrainedModel<LongT5Config, ForConditionalGeneration<detail::LongT5Base<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using LongT5EncoderModel = PreTrainedModel<LongT5Config, EncoderModel<detail::LongT5Encoder<build<W, D, L, S>>>>;

struct longt5 : architecture<LongT5Config, LongT5Model, LongT5ForConditionalGeneration, LongT5EncoderModel> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void LongT5Config::fields(field_visitor& v) {
  T5Config::fields(v);
  v("local_radius", local_radius, v.extent);
  v("global_block_size", global_block_size, v.extent);
  v("encoder_attention_type", encoder_attention_type);
  v("bos_token_id", bos_token_id);
  v("is_decoder", is_decoder);
}

HFT_INLINE void LongT5Config::check() const {
  T5Config::check();
  if (!sides() && encoder_attention_type != short_string("local"))
    throw config_error(model_type, "encoder_attention_type", "local or transient-global",
                       detail::quote_text(encoder_attention_type.view()));
}

HFT_INLINE TextModelOptions<> LongT5Config::encoder() const {
  auto o = T5Config::encoder();
  for (auto& layer : o.layers) {
    if (sides())  // the bias hides what is not seen
      layer.attention.side_block = global_block_size, layer.attention.side_eps = layer_norm_epsilon;
    else
      layer.attention.visible = visibility::around(local_radius, local_radius);
  }
  if (sides()) o.position_bias->side_block = global_block_size, o.position_bias->side_radius = local_radius;
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
