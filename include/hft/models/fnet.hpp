// FNet: BERT with a Fourier transform in the place of attention. Lee-Thorp et al. 2021, arXiv 2105.03824.
// transformers/models/fnet/modeling_fnet.py
#pragma once
#include <utility>

#include <hft/models/bert.hpp>
#include <hft/models/mixing_encoder.hpp>

namespace hft {

/// transformers.FNetConfig; fields have its names and defaults. Padding is a token as any other: there is no mask.
struct FNetConfig : EncoderConfig {
  bool use_tpu_fourier_optimizations = false;  // the same transform, computed in another way
  isize tpu_short_seq_length = 512;

  static constexpr const char* model_type = "fnet";
  static constexpr const char* class_prefix = "FNet";

  FNetConfig() {
    vocab_size = 32000;
    hidden_act = "gelu_new";
    type_vocab_size = 4;
    pad_token_id = 3, bos_token_id = 1, eos_token_id = 2;
  }
  void fields(field_visitor& v);
  void check() const { find_activation(hidden_act, model_type); }
  MixingEncoderOptions text_model() const;
  /// All its classes have the pooler.
  void adapt(std::string_view, MixingEncoderOptions& o) const { o.pooler = PoolerOptions{hidden_size}; }

  static constexpr name_rule own_rules[] = {
      {"project_in", "embeddings.projection"},
      {"layers.*.post_attention_layernorm", "encoder.layer.*.fourier.output.LayerNorm"}};
  static constexpr auto rules = joined_rules(own_rules, layer_rules, BertConfig::head_rules);
  static constexpr std::string_view ignored[] = {"*embeddings.position_ids", "*fourier.self.dft_mat_*"};
  static constexpr name_tables names{
      .base_model_prefix = "fnet", .rules = rules, .ignored = ignored, .may_be_left = BertConfig::may_be_left};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using FNetModel = PreTrainedModel<FNetConfig, MixingEncoder<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using FNetForMaskedLM = PreTrainedModel<FNetConfig, ForMaskedLM<MixingEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using FNetForSequenceClassification =
    PreTrainedModel<FNetConfig, ForSequenceClassification<MixingEncoder<build<W, D, L, S>>, pooled>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using FNetForTokenClassification =
    PreTrainedModel<FNetConfig, ForTokenClassification<MixingEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using FNetForQuestionAnswering = PreTrainedModel<FNetConfig, ForQuestionAnswering<MixingEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using FNetForMultipleChoice = PreTrainedModel<FNetConfig, ForMultipleChoice<MixingEncoder<build<W, D, L, S>>, pooled>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using FNetForPreTraining = PreTrainedModel<FNetConfig, ForPreTraining<MixingEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using FNetForNextSentencePrediction =
    PreTrainedModel<FNetConfig, ForNextSentencePrediction<MixingEncoder<build<W, D, L, S>>>>;

struct fnet
    : architecture<FNetConfig, FNetModel, FNetForMaskedLM, FNetForSequenceClassification, FNetForTokenClassification,
                   FNetForQuestionAnswering, FNetForMultipleChoice, FNetForPreTraining, FNetForNextSentencePrediction> {
};

#if HFT_DEFINES(MODELS)

HFT_INLINE void FNetConfig::fields(field_visitor& v) {
  v("vocab_size", vocab_size, v.extent);
  v("hidden_size", hidden_size, v.extent);
  v("num_hidden_layers", num_hidden_layers, v.layers);
  v("intermediate_size", intermediate_size, v.extent);
  v("hidden_act", hidden_act);
  v("hidden_dropout_prob", hidden_dropout_prob, v.rate);
  v("max_position_embeddings", max_position_embeddings, v.extent);
  v("type_vocab_size", type_vocab_size, v.extent);
  v("initializer_range", initializer_range);
  v("layer_norm_eps", layer_norm_eps, v.not_negative);
  v("use_tpu_fourier_optimizations", use_tpu_fourier_optimizations);
  v("tpu_short_seq_length", tpu_short_seq_length, v.extent);
  v("pad_token_id", pad_token_id);
  v("bos_token_id", bos_token_id);
  v("eos_token_id", eos_token_id);
  v("tie_word_embeddings", tie_word_embeddings);
  v("id2label", id2label);
  v("problem_type", problem_type);
}

HFT_INLINE MixingEncoderOptions FNetConfig::text_model() const {
  auto o = mixing_encoder(*this, "FNetModel");
  auto& e = std::get<TextEmbeddingsOptions>(o.embeddings);
  e.projected_size = hidden_size;
  e.projected_last = true;
  e.dropped = dropout_of::projected;
  for (auto& block : o.layers) {
    auto& layer = std::get<MixingBlockOptions>(block);
    layer.attention = FourierMixingOptions{};
    layer.mlp_dropout = std::exchange(layer.dropout, 0);  // of the MLP alone
  }
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
