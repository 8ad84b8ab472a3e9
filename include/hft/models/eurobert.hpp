// EuroBERT: Llama's layers as an encoder, which see both directions. Boizard et al. 2025, arXiv 2503.05500.
// transformers/models/eurobert/modeling_eurobert.py
#pragma once
#include <hft/io/gguf_writer.hpp>
#include <hft/models/encoder.hpp>
#include <hft/models/llama.hpp>

namespace hft {

/// transformers.EuroBertConfig; fields have its names and defaults.
struct EuroBertConfig : LlamaConfig {
  std::optional<i64> mask_token_id = 128002;
  short_string classifier_pooling = "late";  // bos, mean, or late: the mean of each token's logits

  static constexpr const char* model_type = "eurobert";
  static constexpr const char* class_prefix = "EuroBert";

  EuroBertConfig();
  void fields(field_visitor& v);
  void check() const;
  TokenModelOptions<> text_model() const;
  MaskedLMHeadOptions masked_lm_head() const {
    return {.hidden_size = hidden_size,
            .vocab_size = vocab_size,
            .activation = Activation::gelu,
            .norm = {.size = hidden_size},
            .tied = tie_word_embeddings,
            .one_bias = true,
            .transformed = false,
            .decoder_bias = mlp_bias};
  }
  ClassifierOptions classifier() const;
  void complete_in(gguf_keys& keys) const { keys.flag("attention.causal", false); }
  f64 token_dropout() const { return 0; }

  static constexpr name_rule rules[] = {
      {"head.bias", "lm_head.bias"}, {"decoder", "lm_head"}, {"summary.dense", "dense"}};
  static constexpr name_tables names{.rules = rules,
                                     .gguf = gguf_decoder_names,
                                     .gguf_pairs = false,
                                     .gguf_class = "Model",
                                     .ignored = LlamaConfig::ignored};
};

/// The backbone.
template <class B>
using EuroBertEncoder = TokenModel<LlamaBlock, RMSNorm, B>;

template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using EuroBertModel = PreTrainedModel<EuroBertConfig, EuroBertEncoder<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using EuroBertForMaskedLM = PreTrainedModel<EuroBertConfig, ForMaskedLM<EuroBertEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using EuroBertForSequenceClassification =
    PreTrainedModel<EuroBertConfig, ForSequenceClassification<EuroBertEncoder<build<W, D, L, S>>, summarised>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using EuroBertForTokenClassification =
    PreTrainedModel<EuroBertConfig, ForTokenClassification<EuroBertEncoder<build<W, D, L, S>>>>;

struct eurobert : architecture<EuroBertConfig, EuroBertModel, EuroBertForMaskedLM, EuroBertForSequenceClassification,
                               EuroBertForTokenClassification> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE EuroBertConfig::EuroBertConfig() {
  vocab_size = 128256;
  hidden_size = 768;
  intermediate_size = 3072;
  num_hidden_layers = 12;
  num_attention_heads = 12;
  max_position_embeddings = 8192;
  rms_norm_eps = 1e-5;
  pad_token_id = 128001;
  bos_token_id = 128000;
  eos_token_id = 128001;
}

HFT_INLINE void EuroBertConfig::fields(field_visitor& v) {
  LlamaConfig::fields(v);
  v("mask_token_id", mask_token_id);
  v("classifier_pooling", classifier_pooling);
}

HFT_INLINE void EuroBertConfig::check() const {
  check_decoder(*this, model_type);
  const auto pooling = classifier_pooling.view();
  if (pooling != "bos" && pooling != "mean" && pooling != "late")
    throw config_error(model_type, "classifier_pooling", "bos, mean or late", detail::quote_text(pooling));
}

HFT_INLINE TokenModelOptions<> EuroBertConfig::text_model() const {
  auto o = LlamaConfig::text_model();
  o.where = "EuroBertModel";
  o.causal = false;
  for (auto& layer : o.layers) layer.attention.visible = visibility::everything();
  return o;
}

HFT_INLINE ClassifierOptions EuroBertConfig::classifier() const {
  const bool mean = classifier_pooling.view() != "bos";
  return {.hidden_size = hidden_size,
          .num_labels = id2label.count(),
          .problem_type = problem_type,
          .summary = {.of = mean ? SummaryOptions::mean : SummaryOptions::first,
                      .shown_only = mean,
                      .of_logits = classifier_pooling.view() == "late"},
          .transform = TransformOptions{.hidden_size = hidden_size, .activation = Activation::gelu}};
}

#endif  // HFT_DEFINES

}  // namespace hft
