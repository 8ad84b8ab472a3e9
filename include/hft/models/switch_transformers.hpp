// Switch Transformers: T5 with experts, of which each token sees one. Fedus et al. 2021, arXiv 2101.03961.
// transformers/models/switch_transformers/modeling_switch_transformers.py
#pragma once
#include <hft/models/t5.hpp>

namespace hft {

/// transformers.SwitchTransformersConfig; fields have its names and defaults. Its feed-forward layers are never gated:
/// feed_forward_proj is its dense_act_fn. Routers see their input without the noise that Transformers trains them with.
struct SwitchTransformersConfig : T5Config {
  isize expert_capacity = 64;  // tokens of a row that an expert takes in a pass; further ones it leaves out
  isize num_sparse_encoder_layers = 3, num_sparse_decoder_layers = 3;
  std::optional<isize> encoder_sparse_step = {}, decoder_sparse_step = {};  // default: by the number of sparse layers
  isize num_experts = 8;
  bool router_bias = false;
  f64 router_jitter_noise = 0.01;
  short_string router_dtype = "float32";
  bool router_ignore_padding_tokens = false;
  f64 router_z_loss_coef = 0.001, router_aux_loss_coef = 0.001;
  bool add_router_probs = false, is_decoder = false, add_cross_attention = false;
  std::optional<i64> bos_token_id = {};

  static constexpr const char* model_type = "switch_transformers";
  static constexpr const char* class_prefix = "SwitchTransformers";

  SwitchTransformersConfig() {
    d_model = 768;
    num_layers = 12;
    num_decoder_layers = 12;
    num_heads = 12;
  }
  void fields(field_visitor& v);
  void check() const;

  token_tables tables() const { return tie_word_embeddings ? token_tables::shared : token_tables::untied; }
  TextModelOptions<> encoder() const {
    return with_experts(T5Config::encoder(), step(encoder_sparse_step, num_sparse_encoder_layers, num_layers));
  }
  TextModelOptions<> decoder() const {
    return with_experts(T5Config::decoder(),
                        step(decoder_sparse_step, num_sparse_decoder_layers, num_decoder_layers.value_or(num_layers)));
  }
  Seq2SeqLMHeadOptions seq2seq_lm_head() const {
    return {.head = {.hidden_size = d_model, .vocab_size = vocab_size, .tied = tie_word_embeddings},
            .scale = tie_word_embeddings ? 1 / std::sqrt(f64(d_model)) : 1};
  }
  f64 initial_deviation(std::string_view path) const;

  static constexpr name_rule sparse_rules[] = {
      {"encoder.layers.*.mlp.in_proj", "encoder.block.*.layer.1.mlp.wi"},
      {"encoder.layers.*.mlp.down_proj", "encoder.block.*.layer.1.mlp.wo"},
      {"encoder.layers.*.mlp.gate", "encoder.block.*.layer.1.mlp.router.classifier"},
      {"encoder.layers.*.mlp.experts.*.in_proj", "encoder.block.*.layer.1.mlp.experts.expert_*.wi"},
      {"encoder.layers.*.mlp.experts.*.down_proj", "encoder.block.*.layer.1.mlp.experts.expert_*.wo"},
      {"decoder.layers.*.mlp.in_proj", "decoder.block.*.layer.2.mlp.wi"},
      {"decoder.layers.*.mlp.down_proj", "decoder.block.*.layer.2.mlp.wo"},
      {"decoder.layers.*.mlp.gate", "decoder.block.*.layer.2.mlp.router.classifier"},
      {"decoder.layers.*.mlp.experts.*.in_proj", "decoder.block.*.layer.2.mlp.experts.expert_*.wi"},
      {"decoder.layers.*.mlp.experts.*.down_proj", "decoder.block.*.layer.2.mlp.experts.expert_*.wo"}};
  static constexpr auto rules = joined_rules(attention_rules, sparse_rules);
  static constexpr name_tables names{.base_model_prefix = "", .rules = rules, .may_be_left = may_be_left};

 private:
  static isize step(const std::optional<isize>& given, isize sparse, isize layers) {
    return given.value_or(sparse > 0 ? layers / sparse : layers);
  }
  TextModelOptions<> with_experts(TextModelOptions<> o, isize step) const;
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using SwitchTransformersModel = PreTrainedModel<SwitchTransformersConfig, detail::T5Base<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using SwitchTransformersForConditionalGeneration =
    PreTrainedModel<SwitchTransformersConfig, ForConditionalGeneration<detail::T5Base<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using SwitchTransformersEncoderModel =
    PreTrainedModel<SwitchTransformersConfig, EncoderModel<detail::T5Encoder<build<W, D, L, S>>>>;

struct switch_transformers : architecture<SwitchTransformersConfig, SwitchTransformersModel,
                                          SwitchTransformersForConditionalGeneration, SwitchTransformersEncoderModel> {
};

#if HFT_DEFINES(MODELS)

HFT_INLINE void SwitchTransformersConfig::fields(field_visitor& v) {
  v("vocab_size", vocab_size, v.extent);
  v("d_model", d_model, v.extent.also("hidden_size"));
  v("d_kv", d_kv, v.extent);
  v("d_ff", d_ff, v.extent);
  v("expert_capacity", expert_capacity, v.extent);
  v("num_layers", num_layers, v.layers.also("num_hidden_layers"));
  v("num_sparse_encoder_layers", num_sparse_encoder_layers, v.layers);
  v("num_decoder_layers", num_decoder_layers, v.layers);
  v("num_sparse_decoder_layers", num_sparse_decoder_layers, v.layers);
  v("encoder_sparse_step", encoder_sparse_step, v.layers.written_if_set());
  v("decoder_sparse_step", decoder_sparse_step, v.layers.written_if_set());
  v("num_heads", num_heads, v.extent.also("num_attention_heads"));
  v("num_experts", num_experts, v.extent);
  v("router_bias", router_bias);
  v("router_jitter_noise", router_jitter_noise, v.rate);
  v("router_dtype", router_dtype);
  v("router_ignore_padding_tokens", router_ignore_padding_tokens);
  v("relative_attention_num_buckets", relative_attention_num_buckets, v.extent);
  v("relative_attention_max_distance", relative_attention_max_distance, v.extent);
  v("dropout_rate", dropout_rate, v.rate);
  v("layer_norm_epsilon", layer_norm_epsilon, v.not_negative);
  v("router_z_loss_coef", router_z_loss_coef);
  v("router_aux_loss_coef", router_aux_loss_coef);
  v("initializer_factor", initializer_factor);
  v("dense_act_fn", feed_forward_proj);
  v("is_encoder_decoder", is_encoder_decoder);
  v("add_router_probs", add_router_probs);
  v("use_cache", use_cache);
  v("pad_token_id", pad_token_id);
  v("bos_token_id", bos_token_id);
  v("eos_token_id", eos_token_id);
  v("decoder_start_token_id", decoder_start_token_id);
  v("tie_word_embeddings", tie_word_embeddings);
  v("is_decoder", is_decoder);
  v("add_cross_attention", add_cross_attention);
}

HFT_INLINE void SwitchTransformersConfig::check() const {
  T5Config::check();
  if (gated()) throw config_error(model_type, "dense_act_fn", "an activation", feed_forward_proj.view());
  check_experts(num_experts, 1, model_type);
  const isize decoder_layers = num_decoder_layers.value_or(num_layers);
  if ((num_layers && step(encoder_sparse_step, num_sparse_encoder_layers, num_layers) < 1) ||
      (decoder_layers && step(decoder_sparse_step, num_sparse_decoder_layers, decoder_layers) < 1))
    throw config_error(model_type, "num_sparse_encoder_layers, num_sparse_decoder_layers",
                       "at most the number of layers, or none");
}

HFT_INLINE TextModelOptions<> SwitchTransformersConfig::with_experts(TextModelOptions<> o, isize step) const {
  for (isize i = 0; i < isize(o.layers.size()); ++i)
    if (step == 1 || i % step == 1)
      o.layers[std::size_t(i)].mlp.experts = {.count = num_experts,
                                              .per_token = 1,
                                              .intermediate_size = d_ff,
                                              .router_bias = router_bias,
                                              .normalised = false,
                                              .capacity = expert_capacity};
  return o;
}

HFT_INLINE f64 SwitchTransformersConfig::initial_deviation(std::string_view path) const {
  if (path.find(".router.") != path.npos) return initializer_factor;
  if (path.find(".experts.") != path.npos) return initializer_factor / std::sqrt(f64(d_model));
  return T5Config::initial_deviation(path);
}

#endif  // HFT_DEFINES

}  // namespace hft
