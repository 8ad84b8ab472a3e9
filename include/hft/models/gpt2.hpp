// GPT-2: a pre-norm decoder with LayerNorm, learned positions, fused query-key-value projections and a gelu MLP.
// Radford et al. 2019, "Language Models are Unsupervised Multitask Learners".
// transformers/models/gpt2/modeling_gpt2.py
#pragma once
#include <hft/layers/fused_attention.hpp>
#include <hft/models/decoder.hpp>
#include <hft/models/gguf_names.hpp>
#include <hft/models/heads/double_heads.hpp>

namespace hft {

/// transformers.GPT2Config; fields have its names and defaults.
struct GPT2Config {
  isize vocab_size = 50257;
  isize n_positions = 1024;
  isize n_embd = 768;
  isize n_layer = 12;
  isize n_head = 12;
  std::optional<isize> n_inner = {};  // default: 4 * n_embd
  short_string activation_function = "gelu_new";
  f64 resid_pdrop = 0.1, embd_pdrop = 0.1, attn_pdrop = 0.1;
  f64 layer_norm_epsilon = 1e-5;
  f64 initializer_range = 0.02;
  bool scale_attn_weights = true;
  bool use_cache = true;
  bool scale_attn_by_inverse_layer_idx = false;
  bool reorder_and_upcast_attn = false;  // a matter of half-precision rounding; scores are f32 here anyway
  std::optional<i64> bos_token_id = 50256;
  TokenIds eos_token_id = 50256;
  std::optional<i64> pad_token_id = {};
  bool tie_word_embeddings = true;
  std::optional<f64> classifier_dropout = {}, hidden_dropout = {};  // of what a classifier of tokens sees: the first
                                                                    // that is there, else 0.1
  // Of GPT2DoubleHeadsModel's choice.
  short_string summary_type = "cls_index";
  bool summary_use_proj = true;
  std::optional<short_string> summary_activation = {};
  bool summary_proj_to_labels = true;
  f64 summary_first_dropout = 0.1;
  ClassLabels id2label = {};                      // of classifiers
  std::optional<short_string> problem_type = {};  // what labels of sequences are: see sequence_classification_loss

  static constexpr const char* model_type = "gpt2";
  static constexpr const char* class_prefix = "GPT2";

  void fields(field_visitor& v);
  void check() const;

  isize inner() const { return n_inner.value_or(4 * n_embd); }
  isize max_positions() const { return n_positions; }
  /// What adds to the residual stream begins smaller, the more of it there is.
  f64 initial_deviation(std::string_view path) const {
    return path.ends_with("c_proj.weight") ? initializer_range / std::sqrt(2.0 * f64(n_layer)) : initializer_range;
  }
  void complete_from(const gguf_file& file) {
    complete_embeddings_from(file, vocab_size, tie_word_embeddings);
    n_inner = gguf_mlp_width(file);
  }
  AttentionOptions attention(isize layer) const;
  TextModelOptions<> text_model() const;
  LMHeadOptions lm_head() const {
    return {.hidden_size = n_embd, .vocab_size = vocab_size, .tied = tie_word_embeddings};
  }
  ClassifierOptions classifier() const {
    return {.hidden_size = n_embd,
            .num_labels = id2label.count(),
            .pad_token_id = pad_token_id,
            .problem_type = problem_type};
  }
  /// Throws unsupported_error for a choice between more than one score a text, or by other texts' states.
  ChoiceHeadOptions choice_head() const;
  f64 token_dropout() const { return classifier_dropout.value_or(hidden_dropout.value_or(0.1)); }

  static constexpr name_rule rules[] = {{"embed_tokens", "wte"},
                                        {"embed_positions", "wpe"},
                                        {"layers.*.input_layernorm", "h.*.ln_1"},
                                        {"layers.*.self_attn.qkv_proj", "h.*.attn.c_attn", stored_as::transposed},
                                        {"layers.*.self_attn.o_proj", "h.*.attn.c_proj", stored_as::transposed},
                                        {"layers.*.post_attention_layernorm", "h.*.ln_2"},
                                        {"layers.*.mlp.up_proj", "h.*.mlp.c_fc", stored_as::transposed},
                                        {"layers.*.mlp.down_proj", "h.*.mlp.c_proj", stored_as::transposed},
                                        {"norm", "ln_f"}};
  static constexpr std::string_view ignored[] = {"*.attn.bias", "*.attn.masked_bias"};  // the causal mask
  static constexpr std::pair<std::string_view, std::string_view> class_suffixes[] = {{"ForCausalLM", "LMHeadModel"}};
  static constexpr name_tables names{.base_model_prefix = "transformer",
                                     .rules = rules,
                                     .gguf = gguf_decoder_names,
                                     .ignored = ignored,
                                     .class_suffixes = class_suffixes};
};

template <class B>
using GPT2Block = PreNormBlock<LayerNorm<B>, FusedSelfAttention<B, no_positions>, MLP<B>>;

template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GPT2Model = DecoderModel<GPT2Config, GPT2Block, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GPT2LMHeadModel = CausalLM<GPT2Config, GPT2Block, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GPT2ForSequenceClassification =
    DecoderForSequenceClassification<GPT2Config, GPT2Block, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GPT2ForTokenClassification = DecoderForTokenClassification<GPT2Config, GPT2Block, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GPT2ForQuestionAnswering = DecoderForQuestionAnswering<GPT2Config, GPT2Block, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GPT2DoubleHeadsModel =
    PreTrainedModel<GPT2Config, DoubleHeadsModel<TextModel<GPT2Block, LayerNorm, build<W, D, L, S>>>>;

struct gpt2 : architecture<GPT2Config, GPT2Model, GPT2LMHeadModel, GPT2DoubleHeadsModel, GPT2ForSequenceClassification,
                           GPT2ForTokenClassification, GPT2ForQuestionAnswering> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void GPT2Config::fields(field_visitor& v) {
  v("vocab_size", vocab_size, v.extent);
  v("n_positions", n_positions, v.extent.also("max_position_embeddings").gguf("context_length"));
  v("n_embd", n_embd, v.extent.also("hidden_size").gguf("embedding_length"));
  v("n_layer", n_layer, v.layers.also("num_hidden_layers").gguf("block_count"));
  v("n_head", n_head, v.extent.also("num_attention_heads").gguf("attention.head_count"));
  v("n_inner", n_inner, v.extent.gguf("feed_forward_length"));
  v("activation_function", activation_function);
  v("resid_pdrop", resid_pdrop, v.rate);
  v("embd_pdrop", embd_pdrop, v.rate);
  v("attn_pdrop", attn_pdrop, v.rate);
  v("layer_norm_epsilon", layer_norm_epsilon, v.not_negative.gguf("attention.layer_norm_epsilon"));
  v("initializer_range", initializer_range);
  v("scale_attn_weights", scale_attn_weights);
  v("use_cache", use_cache);
  v("scale_attn_by_inverse_layer_idx", scale_attn_by_inverse_layer_idx);
  v("reorder_and_upcast_attn", reorder_and_upcast_attn);
  v("bos_token_id", bos_token_id, v.anything.gguf("tokenizer.ggml.bos_token_id"));
  v("eos_token_id", eos_token_id, v.anything.gguf("tokenizer.ggml.eos_token_id"));
  v("pad_token_id", pad_token_id, v.anything.gguf("tokenizer.ggml.padding_token_id"));
  v("tie_word_embeddings", tie_word_embeddings);
  v("summary_type", summary_type);
  v("summary_use_proj", summary_use_proj);
  v("summary_activation", summary_activation);
  v("summary_proj_to_labels", summary_proj_to_labels);
  v("summary_first_dropout", summary_first_dropout, v.rate);
  v("classifier_dropout", classifier_dropout, v.rate.written_if_set());
  v("hidden_dropout", hidden_dropout, v.rate.written_if_set());
  v("id2label", id2label);
  v("problem_type", problem_type);
}

HFT_INLINE void GPT2Config::check() const {
  check_divides(model_type, "n_head", n_head, "n_embd", n_embd);
  find_activation(activation_function, model_type);
}

HFT_INLINE ChoiceHeadOptions GPT2Config::choice_head() const {
  if (summary_type.view() != "cls_index")  // the others take their token of all texts
    throw unsupported_error(model_type, "summary_type", "cls_index", detail::quote_text(summary_type.view()));
  if (!summary_use_proj) throw unsupported_error(model_type, "summary_use_proj", "true", "false");
  if (!summary_proj_to_labels) throw unsupported_error(model_type, "summary_proj_to_labels", "true", "false");
  ChoiceHeadOptions o{.dropout = summary_first_dropout};
  if (summary_activation && !summary_activation->view().empty())
    o.activation = find_activation(*summary_activation, model_type);
  return o;
}

HFT_INLINE AttentionOptions GPT2Config::attention(isize layer) const {
  const isize D = n_embd / n_head;
  AttentionOptions o{.hidden_size = n_embd,
                     .num_heads = n_head,
                     .num_kv_heads = n_head,
                     .head_dim = D,
                     .layer = layer,
                     .bias = true,
                     .output_bias = true};
  o.scale =
      (scale_attn_weights ? 1 / std::sqrt(f64(D)) : 1.0) / (scale_attn_by_inverse_layer_idx ? f64(layer + 1) : 1.0);
  o.dropout = attn_pdrop;
  return o;
}

HFT_INLINE TextModelOptions<> GPT2Config::text_model() const {
  const NormOptions norm{.size = n_embd, .eps = layer_norm_epsilon};
  const MLPOptions mlp{.hidden_size = n_embd,
                       .intermediate_size = inner(),
                       .activation = find_activation(activation_function, model_type),
                       .bias = true};
  TextModelOptions<> o{.where = class_prefix,
                       .embeddings = {.vocab_size = vocab_size,
                                      .hidden_size = n_embd,
                                      .max_positions = n_positions,
                                      .types_are_tokens = true,
                                      .dropout = embd_pdrop},
                       .norm = norm};
  for (isize i = 0; i < n_layer; ++i)
    o.layers.push_back({.norm = norm, .attention = attention(i), .mlp = mlp, .dropout = resid_pdrop});
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
