// XLNet: an encoder with attention to relative positions, in a second stream of places that are asked for. Yang et al.
// 2019, arXiv 1906.08237. transformers/models/xlnet/modeling_xlnet.py
#pragma once
#include <hft/models/heads/long_question_answering.hpp>
#include <hft/models/heads/permuted_lm.hpp>
#include <hft/models/mixing_encoder.hpp>

namespace hft {

/// transformers.XLNetConfig; fields have its names and defaults. What is remembered of earlier texts (mems) lies in a
/// cache, where one is given.
struct XLNetConfig {
  isize vocab_size = 32000, d_model = 1024, n_layer = 24, n_head = 16, d_inner = 4096;
  std::optional<isize> d_head = {};  // d_model / n_head
  short_string ff_activation = "gelu", attn_type = "bi";
  f64 initializer_range = 0.02, layer_norm_eps = 1e-12, dropout = 0.1;
  std::optional<isize> mem_len = 512, reuse_len = {};
  bool use_mems_eval = true, use_mems_train = false, bi_data = false;
  isize clamp_len = -1;
  bool same_length = false;
  short_string summary_type = "last";
  bool summary_use_proj = true;
  std::optional<short_string> summary_activation = "tanh";
  f64 summary_last_dropout = 0.1;
  isize start_n_top = 5, end_n_top = 5;
  std::optional<i64> pad_token_id = 5, bos_token_id = 1;
  TokenIds eos_token_id = 2;
  bool tie_word_embeddings = true;
  ClassLabels id2label = {};
  std::optional<short_string> problem_type = {};

  static constexpr const char* model_type = "xlnet";
  static constexpr const char* class_prefix = "XLNet";

  void fields(field_visitor& v);
  void check() const;
  MixingEncoderOptions text_model() const;
  ClassifierOptions classifier() const;
  f64 token_dropout() const { return 0; }
  LMHeadOptions lm_head() const {
    return {.hidden_size = d_model,
            .vocab_size = vocab_size,
            .tied = tie_word_embeddings,
            .bias = true,
            .shifts_labels = false};
  }
  /// Whether generation remembers.
  bool remembers() const { return use_mems_eval; }
  BeamHeadOptions beam_head() const {
    return {d_model, start_n_top, end_n_top, {.size = d_model, .eps = layer_norm_eps}};
  }

  static constexpr name_rule rules[] = {{"embed_tokens", "word_embedding"},
                                        {"embed_mask", "mask_emb"},
                                        {"layers.*.self_attn", "layer.*.rel_attn"},
                                        {"layers.*.post_attention_layernorm", "layer.*.rel_attn.layer_norm"},
                                        {"layers.*.mlp.up_proj", "layer.*.ff.layer_1"},
                                        {"layers.*.mlp.down_proj", "layer.*.ff.layer_2"},
                                        {"layers.*.post_mlp_layernorm", "layer.*.ff.layer_norm"},
                                        {"summary.dense", "sequence_summary.summary"},
                                        {"lm_head", "lm_loss"}};
  static constexpr std::pair<std::string_view, std::string_view> class_suffixes[] = {
      {"ForCausalLM", "LMHeadModel"},
      {"ForQuestionAnswering", "ForQuestionAnsweringSimple"},
      {"ForBeamAnswers", "ForQuestionAnswering"}};
  static constexpr name_tables names{
      .base_model_prefix = "transformer", .rules = rules, .class_suffixes = class_suffixes};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using XLNetModel = PreTrainedModel<XLNetConfig, MixingEncoder<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using XLNetLMHeadModel = PreTrainedModel<XLNetConfig, ForPermutedLM<MixingEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using XLNetForSequenceClassification =
    PreTrainedModel<XLNetConfig, ForSequenceClassification<MixingEncoder<build<W, D, L, S>>, summarised_to_logits>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using XLNetForTokenClassification =
    PreTrainedModel<XLNetConfig, ForTokenClassification<MixingEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using XLNetForQuestionAnsweringSimple =
    PreTrainedModel<XLNetConfig, ForQuestionAnswering<MixingEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using XLNetForMultipleChoice =
    PreTrainedModel<XLNetConfig, ForMultipleChoice<MixingEncoder<build<W, D, L, S>>, summarised_to_logits>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using XLNetForQuestionAnswering = PreTrainedModel<XLNetConfig, ForBeamAnswers<MixingEncoder<build<W, D, L, S>>>>;

struct xlnet : architecture<XLNetConfig, XLNetModel, XLNetLMHeadModel, XLNetForSequenceClassification,
                            XLNetForTokenClassification, XLNetForQuestionAnsweringSimple, XLNetForMultipleChoice,
                            XLNetForQuestionAnswering> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void XLNetConfig::fields(field_visitor& v) {
  v("vocab_size", vocab_size, v.extent.also("n_token"));
  v("d_model", d_model, v.extent.also("hidden_size"));
  v("n_layer", n_layer, v.layers.also("num_hidden_layers"));
  v("n_head", n_head, v.extent.also("num_attention_heads"));
  v("d_inner", d_inner, v.extent);
  v("d_head", d_head, v.extent.written_if_set());
  v("ff_activation", ff_activation);
  v("attn_type", attn_type);
  v("initializer_range", initializer_range);
  v("layer_norm_eps", layer_norm_eps, v.not_negative);
  v("dropout", dropout, v.rate);
  v("mem_len", mem_len, v.not_negative);
  v("reuse_len", reuse_len, v.not_negative);
  v("use_mems_eval", use_mems_eval);
  v("use_mems_train", use_mems_train);
  v("bi_data", bi_data);
  v("clamp_len", clamp_len);
  v("same_length", same_length);
  v("summary_type", summary_type);
  v("summary_use_proj", summary_use_proj);
  v("summary_activation", summary_activation);
  v("summary_last_dropout", summary_last_dropout, v.rate);
  v("start_n_top", start_n_top, v.extent);
  v("end_n_top", end_n_top, v.extent);
  v("pad_token_id", pad_token_id);
  v("bos_token_id", bos_token_id);
  v("eos_token_id", eos_token_id);
  v("tie_word_embeddings", tie_word_embeddings);
  v("id2label", id2label);
  v("problem_type", problem_type);
}

HFT_INLINE void XLNetConfig::check() const {
  check_divides(model_type, "n_head", n_head, "d_model", d_model);
  if (d_head && *d_head * n_head != d_model)
    throw config_error(model_type, "d_head", detail::joined("d_model / n_head = ", d_model / n_head),
                       detail::joined(*d_head));
  if (d_model % 2) throw config_error(model_type, "d_model", "an even number", detail::joined(d_model));
  find_activation(ff_activation, model_type);
  if (attn_type.view() != "bi" && attn_type.view() != "uni")
    throw config_error(model_type, "attn_type", "bi or uni", detail::quote_text(attn_type));
  find_summary(summary_type.view(), model_type);
  if (!summary_use_proj && summary_activation && !summary_activation->view().empty())
    throw unsupported_error(model_type, "summary_activation", "none without summary_use_proj",
                            std::string(summary_activation->view()));
}

HFT_INLINE MixingEncoderOptions XLNetConfig::text_model() const {
  EncoderConfig c;
  c.vocab_size = vocab_size, c.hidden_size = d_model, c.num_hidden_layers = n_layer, c.num_attention_heads = n_head;
  c.intermediate_size = d_inner;
  c.hidden_act = ff_activation;
  c.hidden_dropout_prob = c.attention_probs_dropout_prob = dropout;
  c.type_vocab_size = 0;
  c.layer_norm_eps = layer_norm_eps;
  c.pad_token_id = {};
  auto o = mixing_encoder(c, "XLNetModel");
  o.pooler.reset();
  TwoStreamEmbeddingsOptions e{std::get<TextEmbeddingsOptions>(o.embeddings)};
  e.max_positions = 0;
  e.norm.reset();
  o.embeddings = e;
  o.dropout = dropout;
  o.causal = true;  // a cache remembers
  PermutedAttentionOptions mixer{.attention = encoder_attention(c, 0),
                                 .causal = attn_type.view() == "uni",
                                 .same_length = same_length,
                                 .clamp = clamp_len,
                                 .both_ways = bi_data,
                                 .mem_len = mem_len.value_or(0),
                                 .reuse_len = reuse_len.value_or(0)};
  mixer.attention.scale = 1 / std::sqrt(f64(mixer.attention.head_dim));
  for (auto& block : o.layers) {
    std::get<MixingBlockOptions>(block).attention = mixer;
    ++mixer.attention.layer;
  }
  return o;
}

HFT_INLINE ClassifierOptions XLNetConfig::classifier() const {
  const bool activated = summary_activation && !summary_activation->view().empty();
  std::optional<TransformOptions> transform;
  if (summary_use_proj) transform = TransformOptions{.hidden_size = d_model};
  if (activated && transform) transform->activation = find_activation(*summary_activation, model_type);
  return {.hidden_size = d_model,
          .num_labels = id2label.count(),
          .dropout = summary_last_dropout,
          .problem_type = problem_type,
          .summary = {.of = find_summary(summary_type.view(), model_type)},
          .transform = transform};
}

#endif  // HFT_DEFINES

}  // namespace hft
