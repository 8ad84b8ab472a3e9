// StableLM: Llama with LayerNorm and rotary positions of a part of each head; some run attention and MLP in parallel.
// Bellagente et al. 2024, arXiv 2402.17834. transformers/models/stablelm/modeling_stablelm.py
#pragma once
#include <hft/models/decoder_config.hpp>

namespace hft {

/// transformers.StableLmConfig; fields have its names and defaults.
struct StableLmConfig : DecoderConfig {
  f64 layer_norm_eps = 1e-5;
  bool use_qkv_bias = false;
  bool qk_layernorm = false;           // whether each head of queries and of keys is normalised, by a weight of its own
  bool use_parallel_residual = false;  // by one norm
  f64 hidden_dropout = 0;

  static constexpr const char* model_type = "stablelm";
  static constexpr const char* class_prefix = "StableLm";

  StableLmConfig();
  void fields(field_visitor& v);
  void check() const;

  RopeScaling rope() const { return DecoderConfig::rope(0.25); }
  AttentionOptions attention(isize layer) const;
  TokenModelOptions<> text_model() const;
  f64 token_dropout() const { return hidden_dropout; }

  static constexpr name_rule rules[] = {{"layers.*.self_attn.q_norm", "layers.*.self_attn.q_layernorm"},
                                        {"layers.*.self_attn.k_norm", "layers.*.self_attn.k_layernorm"},
                                        {"classifier", "score"}};
  static constexpr std::string_view ignored[] = {"*rotary_emb.inv_freq"};
  static constexpr name_tables names{
      .rules = rules, .gguf = gguf_decoder_names, .gguf_pairs = false, .ignored = ignored};
};

template <class B>
using StableLmBlock = TransformerBlock<LayerNorm<B>, SelfAttention<B, rope, LayerNorm>, GatedMLP<B>>;

template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using StableLmModel = DecoderModel<StableLmConfig, StableLmBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using StableLmForCausalLM = CausalLM<StableLmConfig, StableLmBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using StableLmForSequenceClassification =
    DecoderForSequenceClassification<StableLmConfig, StableLmBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using StableLmForTokenClassification =
    DecoderForTokenClassification<StableLmConfig, StableLmBlock, LayerNorm, build<W, D, L, S>>;

struct stablelm : architecture<StableLmConfig, StableLmModel, StableLmForCausalLM, StableLmForSequenceClassification,
                               StableLmForTokenClassification> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE StableLmConfig::StableLmConfig() {
  vocab_size = 50304;
  hidden_size = 2560;
  intermediate_size = 6912;
  num_key_value_heads = 32;
  max_position_embeddings = 4096;
  bos_token_id = 0;
}

HFT_INLINE void StableLmConfig::fields(field_visitor& v) {
  DecoderConfig::fields(v);
  v("layer_norm_eps", layer_norm_eps, v.not_negative.gguf("attention.layer_norm_epsilon"));
  v("use_qkv_bias", use_qkv_bias);
  v("qk_layernorm", qk_layernorm);
  v("use_parallel_residual", use_parallel_residual, v.anything.gguf("use_parallel_residual"));
  v("hidden_dropout", hidden_dropout, v.rate);
}

HFT_INLINE void StableLmConfig::check() const { check_decoder(*this, model_type); }

HFT_INLINE AttentionOptions StableLmConfig::attention(isize layer) const {
  AttentionOptions o = decoder_attention(*this, layer);
  o.bias = use_qkv_bias;
  if (qk_layernorm) o.qk_norm = QKNormOptions{.eps = layer_norm_eps, .weights_apart = true};
  return o;
}

HFT_INLINE TokenModelOptions<> StableLmConfig::text_model() const {
  auto o = decoder_model(*this, class_prefix, {.size = hidden_size, .eps = layer_norm_eps});
  for (auto& layer : o.layers) {
    layer.mlp_dropout = hidden_dropout;
    layer.parallel = layer.shared_norm = use_parallel_residual;
  }
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
