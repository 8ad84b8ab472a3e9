// ESM-2: an encoder of proteins, pre-norm, with learned or rotary positions. Lin et al. 2022, bioRxiv
// 10.1101/2022.07.20.500902. transformers/models/esm/modeling_esm.py
#pragma once
#include <hft/models/phi.hpp>
#include <hft/models/roberta.hpp>

namespace hft {

/// transformers.EsmConfig; fields have its names and defaults, but for vocab_size, which has none there.
struct EsmConfig : EncoderConfig {
  std::optional<i64> mask_token_id = {};
  f64 rope_theta = 10000;
  short_string position_embedding_type = "absolute";
  std::optional<bool> emb_layer_norm_before = {};
  bool token_dropout = false;  // whether masked tokens are zeros, for which others are scaled
  bool is_folding_model = false;

  static constexpr const char* model_type = "esm";
  static constexpr const char* class_prefix = "Esm";

  EsmConfig();
  void fields(field_visitor& v);
  void check() const;
  bool rotary() const { return position_embedding_type.view() == "rotary"; }
  isize max_positions() const { return rotary() ? 0 : max_position_embeddings; }
  RopeScaling rope() const {
    return {{.rope_theta = rope_theta}, hidden_size / num_attention_heads, max_position_embeddings};
  }
  TextModelOptions<> text_model() const;
  MaskedLMHeadOptions masked_lm_head() const {
    auto o = EncoderConfig::masked_lm_head();
    o.one_bias = true;
    return o;
  }
  bool initialise(std::string_view path, const std::vector<isize>& shape, const random_stream&,
                  std::vector<f32>& values) const;

  static constexpr name_rule own_rules[] = {
      {"embed_norm", "embeddings.layer_norm"},
      {"layers.*.self_attn.rotary_embeddings", "encoder.layer.*.attention.self.rotary_embeddings"},
      {"layers.*.input_layernorm", "encoder.layer.*.attention.LayerNorm"},
      {"layers.*.post_attention_layernorm", "encoder.layer.*.LayerNorm"},
      {"norm", "encoder.emb_layer_norm_after"}};
  static constexpr auto rules = joined_rules(own_rules, layer_rules, RobertaConfig::head_rules);
  // What Transformers writes for the norms of layers.
  static constexpr std::pair<std::string_view, std::string_view> old_endings[] = {
      {"LayerNorm.gamma", "LayerNorm.weight"}, {"LayerNorm.beta", "LayerNorm.bias"}};
  static constexpr std::string_view ignored[] = {"*embeddings.position_ids"};
  static constexpr std::string_view may_be_left[] = {"*pooler.dense.*", "*embeddings.position_embeddings.weight",
                                                     "*rotary_embeddings.inv_freq"};
  static constexpr name_tables names{.base_model_prefix = "esm",
                                     .rules = rules,
                                     .old_endings = old_endings,
                                     .ignored = ignored,
                                     .may_be_left = may_be_left};
};

/// The backbone.
template <class B>
using EsmEncoder = TextModel<PhiBlock, LayerNorm, B>;

template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using EsmModel = PreTrainedModel<EsmConfig, EsmEncoder<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using EsmForMaskedLM = PreTrainedModel<EsmConfig, ForMaskedLM<EsmEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using EsmForSequenceClassification =
    PreTrainedModel<EsmConfig, ForSequenceClassification<EsmEncoder<build<W, D, L, S>>, first_token_by_tanh>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using EsmForTokenClassification = PreTrainedModel<EsmConfig, ForTokenClassification<EsmEncoder<build<W, D, L, S>>>>;

struct esm
    : architecture<EsmConfig, EsmModel, EsmForMaskedLM, EsmForSequenceClassification, EsmForTokenClassification> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE EsmConfig::EsmConfig() {
  vocab_size = 33;
  max_position_embeddings = 1026;
  pad_token_id = {};
  eos_token_id = 2;
}

HFT_INLINE void EsmConfig::fields(field_visitor& v) {
  EncoderConfig::fields(v);
  v("mask_token_id", mask_token_id);
  v("rope_theta", rope_theta);
  v("position_embedding_type", position_embedding_type);
  v("emb_layer_norm_before", emb_layer_norm_before);
  v("token_dropout", token_dropout);
  v("is_folding_model", is_folding_model);
}

HFT_INLINE void EsmConfig::check() const {
  EncoderConfig::check(model_type);
  if (is_folding_model) throw unsupported_error(model_type, "is_folding_model", "false", "true");
  if (const auto kind = position_embedding_type.view(); kind != "absolute" && kind != "rotary")
    throw unsupported_error(model_type, "position_embedding_type", "absolute or rotary", detail::quote_text(kind));
  if (token_dropout && !mask_token_id)
    throw config_error(model_type, "mask_token_id", "an id, for token_dropout", "none");
  if (rotary() && hidden_size / num_attention_heads % 2)
    throw config_error(model_type, "hidden_size", "heads of an even size, which positions turn",
                       detail::joined(hidden_size / num_attention_heads));
}

HFT_INLINE TextModelOptions<> EsmConfig::text_model() const {
  auto o = EncoderConfig::text_model("EsmModel");
  auto& e = o.embeddings;
  e.token_types = 0;
  e.max_positions = max_positions();
  e.positions_skip_padding = !rotary();
  e.dropout = 0;
  if (token_dropout) e.mask_token_id = mask_token_id;
  e.hidden_are_zeros = true;
  if (!emb_layer_norm_before.value_or(false)) e.norm.reset();
  o.norm = NormOptions{.size = hidden_size, .eps = layer_norm_eps};
  o.contact_inputs = num_hidden_layers * num_attention_heads;
  for (auto& layer : o.layers) {
    layer.mlp.activation = Activation::gelu;
    layer.attention.rotary = layer.attention.stored_frequencies = rotary();
    if (rotary()) layer.attention.rope = rope();
  }
  return o;
}

HFT_INLINE bool EsmConfig::initialise(std::string_view path, const std::vector<isize>&, const random_stream&,
                                      std::vector<f32>& values) const {
  if (!path.ends_with("inv_freq")) return false;
  values = rope().frequencies(1).first;
  return true;
}

#endif  // HFT_DEFINES

}  // namespace hft
