// Longformer: RoBERTa whose tokens see a window, and some of which see all others. Beltagy et al. 2020, arXiv
// 2004.05150. transformers/models/longformer/modeling_longformer.py
#pragma once
#include <hft/models/mixing_encoder.hpp>
#include <hft/models/roberta.hpp>

namespace hft {

/// transformers.LongformerConfig; fields have its names and defaults.
struct LongformerConfig : EncoderConfig {
  std::vector<isize> attention_window = {512};  // of each layer, or of all; both sides together
  std::optional<i64> sep_token_id = 2;
  bool onnx_export = false;

  static constexpr const char* model_type = "longformer";
  static constexpr const char* class_prefix = "Longformer";

  LongformerConfig() { pad_token_id = 1, bos_token_id = 0, eos_token_id = 2; }
  void fields(field_visitor& v);
  void check() const;
  MixingEncoderOptions text_model() const;
  MaskedLMHeadOptions masked_lm_head() const {
    auto o = EncoderConfig::masked_lm_head();
    o.activation = Activation::gelu;  // whatever that of the layers is
    return o;
  }
  /// Which tokens are global is a head's choice, where the inputs do not say it.
  void adapt(std::string_view class_suffix, MixingEncoderOptions& o) const;

  static constexpr name_rule global_rules[] = {{"layers.*.self_attn", "encoder.layer.*.attention.self"}};
  static constexpr auto rules = joined_rules(layer_rules, global_rules, RobertaConfig::head_rules);
  static constexpr name_tables names{.base_model_prefix = "longformer",
                                     .rules = rules,
                                     .ignored = RobertaConfig::ignored,
                                     .may_be_left = RobertaConfig::may_be_left};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using LongformerModel = PreTrainedModel<LongformerConfig, MixingEncoder<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using LongformerForMaskedLM = PreTrainedModel<LongformerConfig, ForMaskedLM<MixingEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using LongformerForSequenceClassification =
    PreTrainedModel<LongformerConfig, ForSequenceClassification<MixingEncoder<build<W, D, L, S>>, first_token_by_tanh>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using LongformerForTokenClassification =
    PreTrainedModel<LongformerConfig, ForTokenClassification<MixingEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using LongformerForQuestionAnswering =
    PreTrainedModel<LongformerConfig, ForQuestionAnswering<MixingEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using LongformerForMultipleChoice =
    PreTrainedModel<LongformerConfig, ForMultipleChoice<MixingEncoder<build<W, D, L, S>>, pooled>>;

struct longformer
    : architecture<LongformerConfig, LongformerModel, LongformerForMaskedLM, LongformerForSequenceClassification,
                   LongformerForTokenClassification, LongformerForQuestionAnswering, LongformerForMultipleChoice> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void LongformerConfig::fields(field_visitor& v) {
  EncoderConfig::fields(v);
  v("attention_window", attention_window, v.extent);
  v("sep_token_id", sep_token_id);
  v("onnx_export", onnx_export);
}

HFT_INLINE void LongformerConfig::check() const {
  EncoderConfig::check(model_type);
  if (attention_window.size() != 1 && isize(attention_window.size()) != num_hidden_layers)
    throw config_error(model_type, "attention_window", detail::joined("one for each of ", num_hidden_layers, " layers"),
                       detail::joined(attention_window.size()));
  for (const isize window : attention_window)
    if (window < 2 || window % 2)
      throw config_error(model_type, "attention_window", "an even number of at least 2", detail::joined(window));
}

HFT_INLINE MixingEncoderOptions LongformerConfig::text_model() const {
  auto o = mixing_encoder(*this, "LongformerModel");
  GlobalEmbeddingsOptions e{std::get<TextEmbeddingsOptions>(o.embeddings)};
  e.positions_skip_padding = true;
  e.sep_token_id = sep_token_id;
  o.embeddings = e;
  for (std::size_t i = 0; i < o.layers.size(); ++i) {
    const isize window = attention_window[attention_window.size() == 1 ? 0 : i];
    std::get<MixingBlockOptions>(o.layers[i]).attention =
        GlobalAttentionOptions{encoder_attention(*this, isize(i)), window / 2};
  }
  return o;
}

HFT_INLINE void LongformerConfig::adapt(std::string_view class_suffix, MixingEncoderOptions& o) const {
  auto& globals = std::get<GlobalEmbeddingsOptions>(o.embeddings).globals;
  if (class_suffix == "ForSequenceClassification") globals = global_tokens::first;
  if (class_suffix == "ForQuestionAnswering") globals = global_tokens::question;
  if (class_suffix == "ForMultipleChoice") globals = global_tokens::choice;
}

#endif  // HFT_DEFINES

}  // namespace hft
