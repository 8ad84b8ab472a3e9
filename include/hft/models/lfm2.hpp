// LFM2: Llama with normalised queries and keys, most of whose layers have a gated convolution over the last few tokens
// in the place of attention. Amini et al. 2025, arXiv 2511.23404. transformers/models/lfm2/modeling_lfm2.py
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include <hft/io/gguf_writer.hpp>
#include <hft/layers/hybrid_attention.hpp>
#include <hft/models/decoder_config.hpp>

namespace hft {

/// transformers.Lfm2Config; fields have its names and defaults, and the spellings of its first files are read.
struct Lfm2Config : DecoderConfig {
  f64 norm_eps = 1e-5;
  bool conv_bias = false;  // of all layers of a convolution, not of it alone
  isize conv_L_cache = 3;  // its taps
  // An MLP's width is intermediate_size, or where it is adjusted two thirds of it, times a factor, then rounded up.
  bool block_auto_adjust_ff_dim = true;
  std::optional<f64> block_ffn_dim_multiplier = 1.0;
  isize block_multiple_of = 256;
  std::vector<isize> full_attn_idxs = {};     // layers with attention, where layer_types say nothing; default: all
  std::vector<std::string> layer_types = {};  // "full_attention" or "conv" for each layer

  static constexpr const char* model_type = "lfm2";
  static constexpr const char* class_prefix = "Lfm2";
  static constexpr name_rule rules[] = {{"layers.*.input_layernorm", "layers.*.operator_norm"},
                                        {"layers.*.self_attn.q_norm", "layers.*.self_attn.q_layernorm"},
                                        {"layers.*.self_attn.k_norm", "layers.*.self_attn.k_layernorm"},
                                        {"layers.*.self_attn.o_proj", "layers.*.self_attn.out_proj"},
                                        {"layers.*.post_attention_layernorm", "layers.*.ffn_norm"},
                                        {"layers.*.mlp.gate_proj", "layers.*.feed_forward.w1"},
                                        {"layers.*.mlp.up_proj", "layers.*.feed_forward.w3"},
                                        {"layers.*.mlp.down_proj", "layers.*.feed_forward.w2"},
                                        {"norm", "embedding_norm"}};
  static constexpr auto gguf_names =
      gguf_decoder_names_and({{"model.layers.*.conv", "blk.*.shortconv"}, {"model.norm", "token_embd_norm"}});
  static constexpr name_tables names{.rules = rules, .gguf = gguf_names, .gguf_pairs = false};

  Lfm2Config();
  void fields(field_visitor& v);
  void check() const;

  void complete_from(const gguf_file& file);
  void complete_in(gguf_keys& keys) const;
  bool convolves(isize layer) const;
  f64 mlp_width() const;  // a whole number
  AttentionOptions attention(isize layer) const;
  TokenModelOptions<> text_model() const;
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Lfm2Model = DecoderModel<Lfm2Config, HybridBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Lfm2ForCausalLM = CausalLM<Lfm2Config, HybridBlock, RMSNorm, build<W, D, L, S>>;

struct lfm2 : architecture<Lfm2Config, Lfm2Model, Lfm2ForCausalLM> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE Lfm2Config::Lfm2Config() {
  vocab_size = 65536;
  hidden_size = 2560;
  intermediate_size = 12288;
  num_key_value_heads = 8;
  max_position_embeddings = 128000;
  pad_token_id = 0;
  eos_token_id = 2;
  tie_word_embeddings = true;
  rope_parameters.rope_theta = 1e6;
}

HFT_INLINE void Lfm2Config::fields(field_visitor& v) {
  DecoderConfig::fields(v);
  v("block_ff_dim", intermediate_size, v.old);
  v("tie_embedding", tie_word_embeddings, v.old);
  v("norm_eps", norm_eps, v.not_negative.gguf("attention.layer_norm_rms_epsilon"));
  v("conv_bias", conv_bias);
  v("conv_L_cache", conv_L_cache, v.extent.gguf("shortconv.l_cache"));
  v("block_auto_adjust_ff_dim", block_auto_adjust_ff_dim);
  v("block_ffn_dim_multiplier", block_ffn_dim_multiplier, v.not_negative);
  v("block_multiple_of", block_multiple_of, v.extent);
  v("full_attn_idxs", full_attn_idxs);
  v("layer_types", layer_types);
}

HFT_INLINE void Lfm2Config::complete_from(const gguf_file& file) {
  DecoderConfig::complete_from(file);
  if (num_key_value_heads == 0) num_key_value_heads = {};  // no layer has attention
  block_auto_adjust_ff_dim = false;                        // the file's is adjusted
  conv_bias = gguf_layers_have(file, "shortconv.in_proj.bias");
  layer_types.clear();
  for (const bool convolves : gguf_layers_with(file, "shortconv.conv.weight"))
    layer_types.push_back(convolves ? "conv" : full_attention);
}

HFT_INLINE void Lfm2Config::complete_in(gguf_keys& keys) const {
  keys.number("feed_forward_length", isize(mlp_width()));
  std::vector<std::int32_t> heads;
  for (isize i = 0; i < num_hidden_layers; ++i) heads.push_back(convolves(i) ? 0 : std::int32_t(key_value_heads()));
  keys.numbers("attention.head_count_kv", heads);
}

HFT_INLINE void Lfm2Config::check() const {
  check_layer_types(layer_types, num_hidden_layers, model_type, "conv");
  check_decoder(*this, model_type);
  if (!(mlp_width() >= 1 && mlp_width() <= field_visitor::largest_extent))
    throw config_error(model_type, "block_ffn_dim_multiplier",
                       detail::joined("a width of 1 to ", isize(field_visitor::largest_extent)),
                       detail::joined(mlp_width()));
}

HFT_INLINE bool Lfm2Config::convolves(isize layer) const {
  const auto& full = full_attn_idxs;
  return layer_types.empty() ? !full.empty() && std::find(full.begin(), full.end(), layer) == full.end()
                             : layer_types[std::size_t(layer)] != full_attention;
}

HFT_INLINE f64 Lfm2Config::mlp_width() const {
  if (!block_auto_adjust_ff_dim) return f64(intermediate_size);
  const f64 width = std::floor(2 * f64(intermediate_size) / 3);
  if (!block_ffn_dim_multiplier) return width;
  return std::ceil(std::floor(*block_ffn_dim_multiplier * width) / f64(block_multiple_of)) * f64(block_multiple_of);
}

HFT_INLINE AttentionOptions Lfm2Config::attention(isize layer) const {
  AttentionOptions o = decoder_attention(*this, layer);
  o.dropout = 0;  // nor has it attention_dropout
  o.qk_norm = QKNormOptions{.eps = norm_eps};
  if (convolves(layer)) o.convolution = ShortConvolutionOptions{.taps = conv_L_cache, .bias = conv_bias};
  return o;
}

HFT_INLINE TokenModelOptions<> Lfm2Config::text_model() const {
  auto o = decoder_model(*this, class_prefix, {.size = hidden_size, .eps = norm_eps});
  for (auto& layer : o.layers) {
    if (layer.attention.convolution) layer.attention_name = "conv";
    layer.mlp.intermediate_size = isize(mlp_width());
    layer.mlp.activation = silu;  // it has no hidden_act
  }
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
