// Phi: a decoder whose attention and MLP see the same input, with LayerNorm, biases everywhere and rotary positions of
// a part of each head. Li et al. 2023, arXiv 2309.05463. transformers/models/phi/modeling_phi.py
#pragma once
#include <hft/models/decoder_config.hpp>

namespace hft {

/// transformers.PhiConfig; fields have its names and defaults.
struct PhiConfig : DecoderConfig {
  f64 resid_pdrop = 0, embd_pdrop = 0;
  f64 layer_norm_eps = 1e-5;
  bool qk_layernorm = false;  // whether heads of queries and keys are normalised

  static constexpr const char* model_type = "phi";
  static constexpr const char* class_prefix = "Phi";

  PhiConfig();
  void fields(field_visitor& v);
  void check() const;

  RopeScaling rope() const { return DecoderConfig::rope(0.5); }
  AttentionOptions attention(isize layer) const;
  TextModelOptions<> text_model() const;
  LMHeadOptions lm_head() const;
  f64 token_dropout() const { return 0.1; }
  void complete_from(const gguf_file& file) {
    DecoderConfig::complete_from(file);
    intermediate_size = gguf_mlp_width(file).value_or(intermediate_size);
    if (!rope_parameters.partial_rotary_factor) rope_parameters.partial_rotary_factor = 1;  // all of a head
  }

  static constexpr name_rule rules[] = {{"layers.*.self_attn.o_proj", "layers.*.self_attn.dense"},
                                        {"layers.*.self_attn.q_norm", "layers.*.self_attn.q_layernorm"},
                                        {"layers.*.self_attn.k_norm", "layers.*.self_attn.k_layernorm"},
                                        {"layers.*.mlp.up_proj", "layers.*.mlp.fc1"},
                                        {"layers.*.mlp.down_proj", "layers.*.mlp.fc2"},
                                        {"norm", "final_layernorm"},
                                        {"classifier", "score"}};
  static constexpr std::string_view ignored[] = {"*rotary_emb.inv_freq"};
  static constexpr name_tables names{
      .rules = rules, .gguf = gguf_decoder_names, .gguf_pairs = false, .gguf_architecture = "phi2", .ignored = ignored};
};

template <class B>
using PhiBlock = TransformerBlock<LayerNorm<B>, SelfAttention<B, rope, LayerNorm>, MLP<B>>;

template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using PhiModel = DecoderModel<PhiConfig, PhiBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using PhiForCausalLM = CausalLM<PhiConfig, PhiBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using PhiForSequenceClassification =
    DecoderForSequenceClassification<PhiConfig, PhiBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using PhiForTokenClassification = DecoderForTokenClassification<PhiConfig, PhiBlock, LayerNorm, build<W, D, L, S>>;

struct phi
    : architecture<PhiConfig, PhiModel, PhiForCausalLM, PhiForSequenceClassification, PhiForTokenClassification> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE PhiConfig::PhiConfig() {
  vocab_size = 51200;
  hidden_size = 2048;
  intermediate_size = 8192;
  num_hidden_layers = 24;
  hidden_act = "gelu_new";
}

HFT_INLINE void PhiConfig::fields(field_visitor& v) {
  DecoderConfig::fields(v);
  v("resid_pdrop", resid_pdrop, v.rate);
  v("embd_pdrop", embd_pdrop, v.rate);
  v("layer_norm_eps", layer_norm_eps, v.not_negative.gguf("attention.layer_norm_epsilon"));
  v("qk_layernorm", qk_layernorm);
}

HFT_INLINE void PhiConfig::check() const { check_decoder(*this, model_type); }

HFT_INLINE AttentionOptions PhiConfig::attention(isize layer) const {
  AttentionOptions o = decoder_attention(*this, layer);
  o.bias = o.output_bias = true;
  if (qk_layernorm) o.qk_norm = QKNormOptions{.eps = layer_norm_eps, .bias = true};
  return o;
}

HFT_INLINE TextModelOptions<> PhiConfig::text_model() const {
  auto o = decoder_model<TextModelOptions<>>(*this, class_prefix, {.size = hidden_size, .eps = layer_norm_eps});
  o.embeddings.dropout = embd_pdrop;
  for (auto& layer : o.layers) {
    layer.mlp.bias = true;
    layer.dropout = resid_pdrop;
    layer.parallel = layer.shared_norm = true;
  }
  return o;
}

HFT_INLINE LMHeadOptions PhiConfig::lm_head() const {
  auto o = DecoderConfig::lm_head();
  o.bias = true;
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
