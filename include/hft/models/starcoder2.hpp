// StarCoder 2: a pre-norm decoder with LayerNorm, biases, rotary positions and a window. Lozhkov et al. 2024,
// arXiv 2402.19173. transformers/models/starcoder2/modeling_starcoder2.py
#pragma once
#include <hft/models/phi.hpp>

namespace hft {

/// transformers.Starcoder2Config; fields have its names and defaults.
struct Starcoder2Config : DecoderConfig {
  f64 norm_epsilon = 1e-5;
  std::optional<isize> sliding_window = {};  // keys that a query sees, itself included; none: all
  f64 residual_dropout = 0, embedding_dropout = 0;
  bool use_bias = true;

  static constexpr const char* model_type = "starcoder2";
  static constexpr const char* class_prefix = "Starcoder2";

  Starcoder2Config();
  void fields(field_visitor& v);
  void check() const;

  AttentionOptions attention(isize layer) const;
  TextModelOptions<> text_model() const;
  f64 token_dropout() const { return 0.1; }

  static constexpr name_rule rules[] = {{"layers.*.mlp.up_proj", "layers.*.mlp.c_fc"},
                                        {"layers.*.mlp.down_proj", "layers.*.mlp.c_proj"},
                                        {"classifier", "score"}};
  static constexpr std::string_view ignored[] = {"*rotary_emb.inv_freq"};
  static constexpr name_tables names{
      .rules = rules, .gguf = gguf_decoder_names, .gguf_pairs = false, .ignored = ignored};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Starcoder2Model = DecoderModel<Starcoder2Config, PhiBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Starcoder2ForCausalLM = CausalLM<Starcoder2Config, PhiBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Starcoder2ForSequenceClassification =
    DecoderForSequenceClassification<Starcoder2Config, PhiBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Starcoder2ForTokenClassification =
    DecoderForTokenClassification<Starcoder2Config, PhiBlock, LayerNorm, build<W, D, L, S>>;

struct starcoder2 : architecture<Starcoder2Config, Starcoder2Model, Starcoder2ForCausalLM,
                                 Starcoder2ForSequenceClassification, Starcoder2ForTokenClassification> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE Starcoder2Config::Starcoder2Config() {
  vocab_size = 49152;
  hidden_size = 3072;
  intermediate_size = 12288;
  num_hidden_layers = 30;
  num_attention_heads = 24;
  num_key_value_heads = 2;
  hidden_act = "gelu_pytorch_tanh";
  max_position_embeddings = 4096;
  initializer_range = 0.018042;
  bos_token_id = 50256;
  tie_word_embeddings = true;
}

HFT_INLINE void Starcoder2Config::fields(field_visitor& v) {
  DecoderConfig::fields(v);
  v("norm_epsilon", norm_epsilon, v.not_negative.gguf("attention.layer_norm_epsilon"));
  v("sliding_window", sliding_window, v.extent);
  v("residual_dropout", residual_dropout, v.rate);
  v("embedding_dropout", embedding_dropout, v.rate);
  v("use_bias", use_bias);
}

HFT_INLINE void Starcoder2Config::check() const { check_decoder(*this, model_type); }

HFT_INLINE AttentionOptions Starcoder2Config::attention(isize layer) const {
  AttentionOptions o = decoder_attention(*this, layer);
  o.bias = o.output_bias = use_bias;
  if (sliding_window) o.visible = visibility::window(*sliding_window);
  return o;
}

HFT_INLINE TextModelOptions<> Starcoder2Config::text_model() const {
  auto o = decoder_model<TextModelOptions<>>(*this, class_prefix, {.size = hidden_size, .eps = norm_epsilon});
  o.embeddings.dropout = embedding_dropout;
  for (auto& layer : o.layers) {
    layer.mlp.bias = use_bias;
    layer.dropout = residual_dropout;
  }
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
