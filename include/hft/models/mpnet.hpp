// MPNet: RoBERTa with a learned bias of attention for each bucket of distances, as T5 has it. Song et al. 2020, arXiv
// 2004.09297. transformers/models/mpnet/modeling_mpnet.py
#pragma once
#include <hft/models/roberta.hpp>

namespace hft {

/// transformers.MPNetConfig; fields have its names and defaults.
struct MPNetConfig : RobertaConfig {
  isize relative_attention_num_buckets = 32;

  static constexpr const char* model_type = "mpnet";
  static constexpr const char* class_prefix = "MPNet";

  MPNetConfig() {
    vocab_size = 30527;
    bos_token_id = 0;
    eos_token_id = 2;
  }
  void fields(field_visitor& v);
  /// Throws config_error for fewer buckets than distances are sorted into.
  void check() const;
  TextModelOptions<> text_model() const;
  f64 token_dropout() const { return hidden_dropout_prob; }

  static constexpr name_rule own_rules[] = {
      {"position_bias", "encoder"},
      {"layers.*.self_attn.q_proj", "encoder.layer.*.attention.attn.q"},
      {"layers.*.self_attn.k_proj", "encoder.layer.*.attention.attn.k"},
      {"layers.*.self_attn.v_proj", "encoder.layer.*.attention.attn.v"},
      {"layers.*.self_attn.o_proj", "encoder.layer.*.attention.attn.o"},
      {"layers.*.post_attention_layernorm", "encoder.layer.*.attention.LayerNorm"}};
  static constexpr auto rules = joined_rules(own_rules, layer_rules, head_rules);
  static constexpr name_tables names{
      .base_model_prefix = "mpnet", .rules = rules, .ignored = ignored, .may_be_left = may_be_left};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MPNetModel = PreTrainedModel<MPNetConfig, PostNormEncoder<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MPNetForMaskedLM = PreTrainedModel<MPNetConfig, ForMaskedLM<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MPNetForSequenceClassification =
    PreTrainedModel<MPNetConfig, ForSequenceClassification<PostNormEncoder<build<W, D, L, S>>, first_token_by_tanh>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MPNetForTokenClassification =
    PreTrainedModel<MPNetConfig, ForTokenClassification<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MPNetForQuestionAnswering =
    PreTrainedModel<MPNetConfig, ForQuestionAnswering<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MPNetForMultipleChoice =
    PreTrainedModel<MPNetConfig, ForMultipleChoice<PostNormEncoder<build<W, D, L, S>>, pooled>>;

struct mpnet : architecture<MPNetConfig, MPNetModel, MPNetForMaskedLM, MPNetForSequenceClassification,
                            MPNetForTokenClassification, MPNetForQuestionAnswering, MPNetForMultipleChoice> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void MPNetConfig::fields(field_visitor& v) {
  EncoderConfig::fields(v);
  v("relative_attention_num_buckets", relative_attention_num_buckets, v.extent);
}

HFT_INLINE void MPNetConfig::check() const {
  EncoderConfig::check(model_type);
  if (relative_attention_num_buckets < 32)
    throw config_error(model_type, "relative_attention_num_buckets", "at least 32",
                       detail::joined(relative_attention_num_buckets));
}

HFT_INLINE TextModelOptions<> MPNetConfig::text_model() const {
  auto o = RobertaConfig::text_model();
  o.where = "MPNetModel";
  o.embeddings.pad_token_id = 1;  // whatever the config's is
  o.embeddings.token_types = 0;
  // The config's number is that of the table's rows alone.
  o.position_bias = RelativePositionOptions{.heads = num_attention_heads, .rows = relative_attention_num_buckets};
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
