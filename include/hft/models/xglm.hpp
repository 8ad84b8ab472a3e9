// XGLM: a pre-norm decoder with LayerNorm and positions that are sines and cosines. Lin et al. 2021, arXiv 2112.10668.
// transformers/models/xglm/modeling_xglm.py
#pragma once
#include <hft/models/opt.hpp>

namespace hft {

/// transformers.XGLMConfig; fields have its names and defaults.
struct XGLMConfig {
  isize vocab_size = 256008;
  isize max_position_embeddings = 2048;  // no limit: positions are computed
  isize d_model = 1024;
  isize ffn_dim = 4096;
  isize num_layers = 24;
  isize attention_heads = 16;
  short_string activation_function = "gelu";
  f64 dropout = 0.1, attention_dropout = 0.1, activation_dropout = 0, layerdrop = 0;
  f64 init_std = 0.02;
  bool scale_embedding = true;
  bool use_cache = true;
  std::optional<i64> decoder_start_token_id = 2, pad_token_id = 1, bos_token_id = 0;
  TokenIds eos_token_id = 2;
  bool add_cross_attention = false;
  bool tie_word_embeddings = true;

  static constexpr const char* model_type = "xglm";
  static constexpr const char* class_prefix = "XGLM";

  void fields(field_visitor& v);
  /// Throws config_error for values that do not fit each other, unsupported_error for cross-attention and layers that
  /// are left out.
  void check() const;

  f64 initial_deviation(std::string_view) const { return init_std; }
  AttentionOptions attention(isize layer) const;
  TextModelOptions<> text_model() const;
  LMHeadOptions lm_head() const {
    return {.hidden_size = d_model, .vocab_size = vocab_size, .tied = tie_word_embeddings};
  }

  static constexpr name_rule rules[] = {{"layers.*.input_layernorm", "layers.*.self_attn_layer_norm"},
                                        {"layers.*.self_attn.o_proj", "layers.*.self_attn.out_proj"},
                                        {"layers.*.post_attention_layernorm", "layers.*.final_layer_norm"},
                                        {"layers.*.mlp.in_proj", "layers.*.fc1"},
                                        {"layers.*.mlp.down_proj", "layers.*.fc2"},
                                        {"norm", "layer_norm"}};
  static constexpr std::string_view ignored[] = {"*embed_positions.weights"};  // of old checkpoints
  static constexpr name_tables names{.rules = rules, .ignored = ignored};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using XGLMModel = DecoderModel<XGLMConfig, OPTBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using XGLMForCausalLM = CausalLM<XGLMConfig, OPTBlock, LayerNorm, build<W, D, L, S>>;

struct xglm : architecture<XGLMConfig, XGLMModel, XGLMForCausalLM> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void XGLMConfig::fields(field_visitor& v) {
  v("vocab_size", vocab_size, v.extent);
  v("max_position_embeddings", max_position_embeddings, v.extent);
  v("d_model", d_model, v.extent.also("hidden_size"));
  v("ffn_dim", ffn_dim, v.extent);
  v("num_layers", num_layers, v.layers.also("num_hidden_layers"));
  v("attention_heads", attention_heads, v.extent.also("num_attention_heads"));
  v("activation_function", activation_function);
  v("dropout", dropout, v.rate);
  v("attention_dropout", attention_dropout, v.rate);
  v("activation_dropout", activation_dropout, v.rate);
  v("layerdrop", layerdrop, v.rate);
  v("init_std", init_std);
  v("scale_embedding", scale_embedding);
  v("use_cache", use_cache);
  v("decoder_start_token_id", decoder_start_token_id);
  v("pad_token_id", pad_token_id);
  v("bos_token_id", bos_token_id);
  v("eos_token_id", eos_token_id);
  v("add_cross_attention", add_cross_attention);
  v("tie_word_embeddings", tie_word_embeddings);
}

HFT_INLINE void XGLMConfig::check() const {
  if (d_model < 4) throw config_error(model_type, "d_model", "at least 4", detail::joined(d_model));
  check_divides(model_type, "attention_heads", attention_heads, "d_model", d_model);
  find_activation(activation_function, model_type);
  if (layerdrop > 0) throw unsupported_error(model_type, "layerdrop", "0", detail::joined(layerdrop));
  if (add_cross_attention) throw unsupported_error(model_type, "add_cross_attention", "false", "true");
}

HFT_INLINE AttentionOptions XGLMConfig::attention(isize layer) const {
  return {.hidden_size = d_model,
          .num_heads = attention_heads,
          .num_kv_heads = attention_heads,
          .head_dim = d_model / attention_heads,
          .layer = layer,
          .bias = true,
          .output_bias = true,
          .dropout = attention_dropout};
}

HFT_INLINE TextModelOptions<> XGLMConfig::text_model() const {
  const NormOptions norm{.size = d_model};
  const MLPOptions mlp{.hidden_size = d_model,
                       .intermediate_size = ffn_dim,
                       .activation = find_activation(activation_function, model_type),
                       .bias = true,
                       .dropout = activation_dropout};
  TextModelOptions<> o{.where = class_prefix,
                       .embeddings = {.vocab_size = vocab_size,
                                      .hidden_size = d_model,
                                      .pad_token_id = pad_token_id,
                                      .first_position = 2,
                                      .sinusoids = true,
                                      .scale = scale_embedding ? std::sqrt(f64(d_model)) : 1,
                                      .dropout = dropout},
                       .norm = norm};
  for (isize i = 0; i < num_layers; ++i)
    o.layers.push_back({.norm = norm, .attention = attention(i), .mlp = mlp, .dropout = dropout});
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
