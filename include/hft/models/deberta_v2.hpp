// DeBERTa's second and third version: buckets of distances, and a convolution beside the first layer. He et al. 2021,
// arXiv 2111.09543. transformers/models/deberta_v2/modeling_deberta_v2.py
#pragma once
#include <hft/models/deberta.hpp>

namespace hft {

/// transformers.DebertaV2Config; fields have its names and defaults.
struct DebertaV2Config : DebertaFields {
  std::optional<isize> position_buckets = {}, conv_kernel_size = {}, conv_groups = {}, attention_head_size = {};
  std::optional<bool> share_att_key = {};
  std::optional<short_string> norm_rel_ebd = {}, conv_act = {};

  static constexpr const char* model_type = "deberta-v2";
  static constexpr const char* class_prefix = "DebertaV2";

  DebertaV2Config() {
    vocab_size = 128100;
    hidden_size = 1536;
    num_hidden_layers = num_attention_heads = 24;
    intermediate_size = 6144;
  }
  void fields(field_visitor& v);
  void check() const;
  MixingEncoderOptions text_model() const;

  static constexpr name_rule v2_rules[] = {{"layers.0.beside.conv", "encoder.conv.conv"},
                                           {"layers.0.beside.norm", "encoder.conv.LayerNorm"},
                                           {"layers.*.self_attn.q_proj", "encoder.layer.*.attention.self.query_proj"},
                                           {"layers.*.self_attn.k_proj", "encoder.layer.*.attention.self.key_proj"},
                                           {"layers.*.self_attn.v_proj", "encoder.layer.*.attention.self.value_proj"}};
  static constexpr auto rules = joined_rules(v2_rules, own_rules, layer_rules, mixer_rules, BertConfig::head_rules);
  static constexpr name_tables names{.base_model_prefix = "deberta", .rules = rules, .ignored = ignored};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using DebertaV2Model = PreTrainedModel<DebertaV2Config, MixingEncoder<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using DebertaV2ForMaskedLM = PreTrainedModel<DebertaV2Config, ForMaskedLM<MixingEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using DebertaV2ForSequenceClassification =
    PreTrainedModel<DebertaV2Config, ForSequenceClassification<MixingEncoder<build<W, D, L, S>>, first_token_by_tanh>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using DebertaV2ForTokenClassification =
    PreTrainedModel<DebertaV2Config, ForTokenClassification<MixingEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using DebertaV2ForQuestionAnswering =
    PreTrainedModel<DebertaV2Config, ForQuestionAnswering<MixingEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using DebertaV2ForMultipleChoice =
    PreTrainedModel<DebertaV2Config, ForMultipleChoice<MixingEncoder<build<W, D, L, S>>, first_token_by_tanh>>;

struct deberta_v2
    : architecture<DebertaV2Config, DebertaV2Model, DebertaV2ForMaskedLM, DebertaV2ForSequenceClassification,
                   DebertaV2ForTokenClassification, DebertaV2ForQuestionAnswering, DebertaV2ForMultipleChoice> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void DebertaV2Config::fields(field_visitor& v) {
  DebertaFields::fields(v);
  v("position_buckets", position_buckets, v.anything.written_if_set());
  v("share_att_key", share_att_key, v.anything.written_if_set());
  v("norm_rel_ebd", norm_rel_ebd, v.anything.written_if_set());
  v("conv_kernel_size", conv_kernel_size, v.not_negative.written_if_set());
  v("conv_act", conv_act, v.anything.written_if_set());
  v("conv_groups", conv_groups, v.extent.written_if_set());
  v("attention_head_size", attention_head_size, v.extent.written_if_set());
}

HFT_INLINE void DebertaV2Config::check() const {
  DebertaFields::check(model_type);
  if (attention_head_size && *attention_head_size * num_attention_heads != hidden_size)
    throw config_error(model_type, "attention_head_size", detail::joined(hidden_size / num_attention_heads),
                       detail::joined(*attention_head_size));
  const isize taps = conv_kernel_size.value_or(0), buckets = position_buckets.value_or(-1);
  if (taps && taps % 2 == 0) throw config_error(model_type, "conv_kernel_size", "an odd number", detail::joined(taps));
  if (taps) check_groups(model_type, "conv_groups", conv_groups.value_or(1), hidden_size, hidden_size);
  if (conv_act) find_activation(*conv_act, model_type);
  if (buckets > field_visitor::largest_extent || (buckets > 0 && (buckets < 2 || reach() - 1 <= buckets / 2)))
    throw config_error(model_type, "position_buckets", "at least 2, and half of them below max_relative_positions",
                       detail::joined(buckets));
}

HFT_INLINE MixingEncoderOptions DebertaV2Config::text_model() const {
  const isize buckets = position_buckets.value_or(-1);
  auto o = DebertaFields::text_model("DebertaV2Model", buckets > 0 ? buckets : reach(), f64(has("c2p")) + has("p2c"));
  const NormOptions norm{.size = hidden_size, .eps = layer_norm_eps};
  const std::string_view normed = norm_rel_ebd ? norm_rel_ebd->view() : std::string_view();
  if (relative_attention && normed.find("layer_norm") != normed.npos)
    std::get<RelativeEmbeddingsOptions>(o.embeddings).relative_norm = norm;
  for (auto& block : o.layers) {
    auto& layer = std::get<MixingBlockOptions>(block);
    auto& mixer = std::get<DisentangledAttentionOptions>(layer.attention);
    if (buckets > 0) mixer.places.buckets = buckets, mixer.places.max_distance = reach();
    mixer.shared = share_att_key.value_or(false);
  }
  if (const isize taps = conv_kernel_size.value_or(0); taps && !o.layers.empty())
    std::get<MixingBlockOptions>(o.layers[0]).beside =
        BesideOptions{.taps = taps,
                      .groups = conv_groups.value_or(1),
                      .activation = find_activation(conv_act ? conv_act->view() : "tanh", model_type),
                      .dropout = hidden_dropout_prob};
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
