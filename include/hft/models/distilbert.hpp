// DistilBERT: BERT with half the layers, without token types and pooler. Sanh et al. 2019, arXiv 1910.01108.
// transformers/models/distilbert/modeling_distilbert.py
#pragma once
#include <hft/models/encoder.hpp>

namespace hft {

/// transformers.DistilBertConfig; fields have its names and defaults.
struct DistilBertConfig {
  isize vocab_size = 30522;
  isize max_position_embeddings = 512;
  bool sinusoidal_pos_embds = false;  // what the positions' table begins with; checkpoints have it
  isize n_layers = 6;
  isize n_heads = 12;
  isize dim = 768;
  isize hidden_dim = 4 * 768;
  f64 dropout = 0.1, attention_dropout = 0.1;
  short_string activation = "gelu";
  f64 initializer_range = 0.02;
  f64 qa_dropout = 0.1, seq_classif_dropout = 0.2;
  std::optional<i64> pad_token_id = 0;
  bool tie_word_embeddings = true;
  ClassLabels id2label = {};
  std::optional<short_string> problem_type = {};

  static constexpr const char* model_type = "distilbert";
  static constexpr const char* class_prefix = "DistilBert";

  void fields(field_visitor& v);
  void check() const;

  isize max_positions() const { return max_position_embeddings; }
  TextModelOptions<> text_model() const;
  MaskedLMHeadOptions masked_lm_head() const;
  ClassifierOptions classifier() const {
    return {.hidden_size = dim,
            .num_labels = id2label.count(),
            .dropout = seq_classif_dropout,
            .problem_type = problem_type};
  }
  f64 token_dropout() const { return dropout; }

  static constexpr name_rule rules[] = {{"embed_tokens", "embeddings.word_embeddings"},
                                        {"embed_positions", "embeddings.position_embeddings"},
                                        {"embed_norm", "embeddings.LayerNorm"},
                                        {"layers.*.self_attn.q_proj", "transformer.layer.*.attention.q_lin"},
                                        {"layers.*.self_attn.k_proj", "transformer.layer.*.attention.k_lin"},
                                        {"layers.*.self_attn.v_proj", "transformer.layer.*.attention.v_lin"},
                                        {"layers.*.self_attn.o_proj", "transformer.layer.*.attention.out_lin"},
                                        {"layers.*.post_attention_layernorm", "transformer.layer.*.sa_layer_norm"},
                                        {"layers.*.mlp.up_proj", "transformer.layer.*.ffn.lin1"},
                                        {"layers.*.mlp.down_proj", "transformer.layer.*.ffn.lin2"},
                                        {"layers.*.post_mlp_layernorm", "transformer.layer.*.output_layer_norm"},
                                        {"head.dense", "vocab_transform"},
                                        {"head.norm", "vocab_layer_norm"},
                                        {"head.bias", "vocab_projector.bias"},
                                        {"decoder", "vocab_projector"}};
  static constexpr name_tables names{.base_model_prefix = "distilbert", .rules = rules};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using DistilBertModel = PreTrainedModel<DistilBertConfig, PostNormEncoder<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using DistilBertForMaskedLM = PreTrainedModel<DistilBertConfig, ForMaskedLM<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using DistilBertForSequenceClassification =
    PreTrainedModel<DistilBertConfig,
                    ForSequenceClassification<PostNormEncoder<build<W, D, L, S>>, first_token_by_relu>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using DistilBertForTokenClassification =
    PreTrainedModel<DistilBertConfig, ForTokenClassification<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using DistilBertForQuestionAnswering =
    PreTrainedModel<DistilBertConfig, ForQuestionAnswering<PostNormEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using DistilBertForMultipleChoice =
    PreTrainedModel<DistilBertConfig, ForMultipleChoice<PostNormEncoder<build<W, D, L, S>>, first_token_by_relu>>;

struct distilbert
    : architecture<DistilBertConfig, DistilBertModel, DistilBertForMaskedLM, DistilBertForSequenceClassification,
                   DistilBertForTokenClassification, DistilBertForQuestionAnswering, DistilBertForMultipleChoice> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void DistilBertConfig::fields(field_visitor& v) {
  v("vocab_size", vocab_size, v.extent);
  v("max_position_embeddings", max_position_embeddings, v.extent);
  v("sinusoidal_pos_embds", sinusoidal_pos_embds);
  v("n_layers", n_layers, v.layers.also("num_hidden_layers"));
  v("n_heads", n_heads, v.extent.also("num_attention_heads"));
  v("dim", dim, v.extent.also("hidden_size"));
  v("hidden_dim", hidden_dim, v.extent);
  v("dropout", dropout, v.rate);
  v("attention_dropout", attention_dropout, v.rate);
  v("activation", activation);
  v("initializer_range", initializer_range);
  v("qa_dropout", qa_dropout, v.rate);
  v("seq_classif_dropout", seq_classif_dropout, v.rate);
  v("pad_token_id", pad_token_id);
  v("tie_word_embeddings", tie_word_embeddings);
  v("id2label", id2label);
  v("problem_type", problem_type);
}

HFT_INLINE void DistilBertConfig::check() const {
  check_divides(model_type, "n_heads", n_heads, "dim", dim);
  find_activation(activation, model_type);
}

HFT_INLINE TextModelOptions<> DistilBertConfig::text_model() const {
  EncoderConfig c;
  c.vocab_size = vocab_size;
  c.hidden_size = dim;
  c.num_hidden_layers = n_layers;
  c.num_attention_heads = n_heads;
  c.intermediate_size = hidden_dim;
  c.hidden_act = activation;
  c.hidden_dropout_prob = dropout;
  c.attention_probs_dropout_prob = attention_dropout;
  c.max_position_embeddings = max_position_embeddings;
  c.type_vocab_size = 0;
  c.layer_norm_eps = 1e-12;
  c.pad_token_id = pad_token_id;
  auto o = c.text_model("DistilBertModel");
  o.pooler.reset();
  return o;
}

HFT_INLINE MaskedLMHeadOptions DistilBertConfig::masked_lm_head() const {
  return {.hidden_size = dim,
          .vocab_size = vocab_size,
          .activation = find_activation(activation, model_type),
          .norm = {.size = dim, .eps = 1e-12},
          .tied = tie_word_embeddings,
          .one_bias = true};
}

#endif  // HFT_DEFINES

}  // namespace hft
