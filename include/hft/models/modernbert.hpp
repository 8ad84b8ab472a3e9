// ModernBERT: a pre-norm encoder with rotary positions and gated MLPs, most of whose layers see a window. Warner et al.
// 2024, arXiv 2412.13663. transformers/models/modernbert/modeling_modernbert.py
#pragma once
#include <hft/io/gguf_writer.hpp>
#include <hft/models/decoder_config.hpp>
#include <hft/models/rotary_encoder.hpp>

namespace hft {

/// transformers.ModernBertConfig; fields have its names and defaults.
struct ModernBertConfig {
  isize vocab_size = 50368;
  isize hidden_size = 768;
  isize intermediate_size = 1152;
  isize num_hidden_layers = 22;
  isize num_attention_heads = 12;
  short_string hidden_activation = "gelu";
  isize max_position_embeddings = 8192;
  f64 initializer_range = 0.02, initializer_cutoff_factor = 2;
  f64 norm_eps = 1e-5;
  bool norm_bias = false, attention_bias = false, mlp_bias = false;
  std::optional<i64> pad_token_id = 50283, bos_token_id = 50281, cls_token_id = 50281, sep_token_id = 50282;
  TokenIds eos_token_id = 50282;
  f64 attention_dropout = 0, embedding_dropout = 0, mlp_dropout = 0;
  std::vector<std::string> layer_types = {};  // empty: all but every n-th see a window, from the first on
  std::optional<isize> global_attn_every_n_layers = {};
  RopeParametersOfTypes rope_parameters{};
  isize local_attention = 128;  // the window, both sides together
  bool decoder_bias = true;
  short_string classifier_pooling = "cls", classifier_activation = "gelu";
  f64 classifier_dropout = 0;
  bool classifier_bias = false;
  bool deterministic_flash_attn = false, sparse_prediction = false;  // they change no result
  i64 sparse_pred_ignore_index = -100;
  bool tie_word_embeddings = true;
  ClassLabels id2label = {};
  std::optional<short_string> problem_type = {};

  static constexpr const char* model_type = "modernbert";
  static constexpr const char* class_prefix = "ModernBert";

  ModernBertConfig() { rope_parameters.full_attention.rope_theta = 160000; }
  void fields(field_visitor& v);
  void check() const;
  f64 initial_deviation(std::string_view path) const;

  void complete_from(const gguf_file& file);
  void complete_in(gguf_keys& keys) const;
  static constexpr isize gguf_mean = 1, gguf_first_token = 2;  // of llama.cpp's poolings; a mean where none is said
  bool slides(isize layer) const;
  AttentionOptions attention(isize layer) const;
  TextModelOptions<> text_model() const;
  MaskedLMHeadOptions masked_lm_head() const;
  TransformOptions token_transform() const {
    return {.hidden_size = hidden_size,
            .bias = classifier_bias,
            .activation = find_activation(classifier_activation, model_type),
            .norm = norm()};
  }
  ClassifierOptions classifier() const;
  ClassifierOptions choice() const {
    auto o = classifier();
    o.summary.shown_only = true;
    return o;
  }
  NormOptions norm() const { return {.size = hidden_size, .eps = norm_eps, .bias = norm_bias}; }

  static constexpr name_rule rules[] = {{"embed_tokens", "embeddings.tok_embeddings"},
                                        {"embed_norm", "embeddings.norm"},
                                        {"layers.*.self_attn.qkv_proj", "layers.*.attn.Wqkv"},
                                        {"layers.*.self_attn.o_proj", "layers.*.attn.Wo"},
                                        {"layers.*.input_layernorm", "layers.*.attn_norm"},
                                        {"layers.*.mlp.gate_up_proj", "layers.*.mlp.Wi"},
                                        {"layers.*.mlp.down_proj", "layers.*.mlp.Wo"},
                                        {"layers.*.post_attention_layernorm", "layers.*.mlp_norm"},
                                        {"norm", "final_norm"},
                                        {"head.bias", "decoder.bias"},
                                        {"summary", "head"},
                                        {"qa_outputs", "classifier"}};
  static constexpr std::string_view ignored[] = {"*inv_freq"};
  static constexpr name_rule gguf_head_names[] = {
      {"summary.dense", "cls"}, {"summary.norm", "cls.norm"}, {"classifier", "cls.output"}};
  static constexpr auto gguf_names = joined_rules(gguf_head_names, gguf_gate_up_names);
  static constexpr name_tables names{.rules = rules,
                                     .gguf = gguf_names,
                                     .gguf_architecture = "modern-bert",
                                     .gguf_class = "Model",
                                     .ignored = ignored};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ModernBertModel = PreTrainedModel<ModernBertConfig, RotaryEncoder<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ModernBertForMaskedLM = PreTrainedModel<ModernBertConfig, ForMaskedLM<RotaryEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ModernBertForSequenceClassification =
    PreTrainedModel<ModernBertConfig, ForSequenceClassification<RotaryEncoder<build<W, D, L, S>>, summarised>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ModernBertForTokenClassification =
    PreTrainedModel<ModernBertConfig, ForTokenClassification<RotaryEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ModernBertForQuestionAnswering =
    PreTrainedModel<ModernBertConfig, ForQuestionAnswering<RotaryEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ModernBertForMultipleChoice =
    PreTrainedModel<ModernBertConfig, ForMultipleChoice<RotaryEncoder<build<W, D, L, S>>, summarised>>;

struct modernbert
    : architecture<ModernBertConfig, ModernBertModel, ModernBertForMaskedLM, ModernBertForSequenceClassification,
                   ModernBertForTokenClassification, ModernBertForQuestionAnswering, ModernBertForMultipleChoice> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void ModernBertConfig::fields(field_visitor& v) {
  v("rope_scaling", rope_parameters.full_attention, v.old);
  v("rope_scaling", rope_parameters.sliding_attention, v.old);
  v("global_rope_theta", rope_parameters.full_attention.rope_theta, v.old);
  v("local_rope_theta", rope_parameters.sliding_attention.rope_theta, v.old);
  v("vocab_size", vocab_size, v.extent);
  v("hidden_size", hidden_size, v.extent.gguf("embedding_length"));
  v("intermediate_size", intermediate_size, v.extent.gguf("feed_forward_length"));
  v("num_hidden_layers", num_hidden_layers, v.layers.gguf("block_count"));
  v("num_attention_heads", num_attention_heads, v.extent.gguf("attention.head_count"));
  v("hidden_activation", hidden_activation);
  v("max_position_embeddings", max_position_embeddings, v.extent.gguf("context_length"));
  v("initializer_range", initializer_range);
  v("initializer_cutoff_factor", initializer_cutoff_factor);
  v("norm_eps", norm_eps, v.not_negative.gguf("attention.layer_norm_epsilon"));
  v("norm_bias", norm_bias);
  v("pad_token_id", pad_token_id, v.anything.gguf("tokenizer.ggml.padding_token_id"));
  v("eos_token_id", eos_token_id, v.anything.gguf("tokenizer.ggml.eos_token_id"));
  v("bos_token_id", bos_token_id, v.anything.gguf("tokenizer.ggml.bos_token_id"));
  v("cls_token_id", cls_token_id);
  v("sep_token_id", sep_token_id);
  v("attention_bias", attention_bias);
  v("attention_dropout", attention_dropout, v.rate);
  v("layer_types", layer_types);
  v("global_attn_every_n_layers", global_attn_every_n_layers, v.extent.written_if_set());
  v("rope_parameters", rope_parameters);
  v("local_attention", local_attention, v.extent.gguf("attention.sliding_window"));
  v("embedding_dropout", embedding_dropout, v.rate);
  v("mlp_bias", mlp_bias);
  v("mlp_dropout", mlp_dropout, v.rate);
  v("decoder_bias", decoder_bias);
  v("classifier_pooling", classifier_pooling);
  v("classifier_dropout", classifier_dropout, v.rate);
  v("classifier_bias", classifier_bias);
  v("classifier_activation", classifier_activation);
  v("deterministic_flash_attn", deterministic_flash_attn);
  v("sparse_prediction", sparse_prediction);
  v("sparse_pred_ignore_index", sparse_pred_ignore_index);
  v("tie_word_embeddings", tie_word_embeddings);
  v("id2label", id2label);
  v("problem_type", problem_type);
}

HFT_INLINE void ModernBertConfig::complete_from(const gguf_file& file) {
  complete_embeddings_from(file, vocab_size, tie_word_embeddings);
  tie_word_embeddings = true;
  const auto theta = [&](const char* key, RopeParameters& rope) {
    if (const auto* base = gguf_says(file, key)) rope.rope_theta = base->as_f64();
  };
  theta("rope.freq_base", rope_parameters.full_attention);
  theta("rope.freq_base_swa", rope_parameters.sliding_attention);
  if (const auto* every = gguf_says(file, "attention.sliding_window_pattern"); every && !every->is_array())
    global_attn_every_n_layers = isize(every->as_i64());
  else
    layer_types = gguf_layer_types(file);
  if (const auto* act = gguf_says(file, "hidden_activation")) hidden_activation = short_string(act->as_string());
  norm_bias = file.find_tensor("output_norm.bias") != nullptr;
  classifier_bias = file.find_tensor("cls.bias") != nullptr;
  complete_labels_from(file, id2label.names);
  classifier_pooling = gguf_number(file, "classifier.pooling_type") == gguf_first_token ? "cls" : "mean";
}

HFT_INLINE void ModernBertConfig::complete_in(gguf_keys& keys) const {
  keys.text("hidden_activation", hidden_activation.view());
  keys.number("classifier.pooling_type", classifier_pooling.view() == "cls" ? gguf_first_token : gguf_mean);
  if (!id2label.names.empty()) keys.texts("classifier.output_labels", id2label.names);
}

HFT_INLINE void ModernBertConfig::check() const {
  check_divides(model_type, "num_attention_heads", num_attention_heads, "hidden_size", hidden_size);
  check_layer_types(layer_types, num_hidden_layers, model_type);
  check_heads(attention(0), model_type);
  find_activation(hidden_activation, model_type);
  find_activation(classifier_activation, model_type);
  if (classifier_pooling.view() != "cls" && classifier_pooling.view() != "mean")
    throw config_error(model_type, "classifier_pooling", "cls or mean", detail::quote_text(classifier_pooling.view()));
}

HFT_INLINE f64 ModernBertConfig::initial_deviation(std::string_view path) const {
  if (path.ends_with("Wo.weight") || path.ends_with("head.dense.weight") || path.ends_with("decoder.weight"))
    return initializer_range / std::sqrt(2 * f64(num_hidden_layers));
  return path.ends_with("classifier.weight") ? 1 / std::sqrt(f64(hidden_size)) : initializer_range;
}

HFT_INLINE bool ModernBertConfig::slides(isize layer) const {
  return layer_types.empty() ? layer % global_attn_every_n_layers.value_or(3) != 0
                             : layer_slides(layer_types, layer, 1);
}

HFT_INLINE AttentionOptions ModernBertConfig::attention(isize layer) const {
  const isize size = hidden_size / num_attention_heads, each = local_attention / 2;
  const bool slide = num_hidden_layers > 0 && slides(layer);
  return {.hidden_size = hidden_size,
          .num_heads = num_attention_heads,
          .num_kv_heads = num_attention_heads,
          .head_dim = size,
          .layer = layer,
          .bias = attention_bias,
          .output_bias = attention_bias,
          .visible = slide ? visibility::around(each, each) : visibility::everything(),
          .dropout = attention_dropout,
          .rope = RopeScaling(rope_parameters.of(slide), size, max_position_embeddings)};
}

HFT_INLINE TextModelOptions<> ModernBertConfig::text_model() const {
  const MLPOptions mlp{.hidden_size = hidden_size,
                       .intermediate_size = intermediate_size,
                       .activation = find_activation(hidden_activation, model_type),
                       .bias = mlp_bias,
                       .gated = true,
                       .fused = true,
                       .dropout = mlp_dropout};
  TextModelOptions<> o{.where = "ModernBertModel",
                       .embeddings = {.vocab_size = vocab_size,
                                      .hidden_size = hidden_size,
                                      .pad_token_id = pad_token_id,
                                      .norm = norm(),
                                      .dropout = embedding_dropout},
                       .norm = norm(),
                       .causal = false};
  for (isize i = 0; i < num_hidden_layers; ++i)
    o.layers.push_back({.norm = norm(),
                        .attention = attention(i),
                        .mlp = mlp,
                        .dropout = attention_dropout,
                        .mlp_dropout = 0,
                        .attention_normed = i > 0});  // the first sees what the embeddings' norm gives
  return o;
}

HFT_INLINE MaskedLMHeadOptions ModernBertConfig::masked_lm_head() const {
  return {.hidden_size = hidden_size,
          .vocab_size = vocab_size,
          .activation = find_activation(classifier_activation, model_type),
          .norm = norm(),
          .tied = tie_word_embeddings,
          .one_bias = true,
          .dense_bias = classifier_bias,
          .decoder_bias = decoder_bias};
}

HFT_INLINE ClassifierOptions ModernBertConfig::classifier() const {
  const bool mean = classifier_pooling.view() == "mean";
  return {.hidden_size = hidden_size,
          .num_labels = id2label.count(),
          .dropout = classifier_dropout,
          .problem_type = problem_type,
          .summary = {.of = mean ? SummaryOptions::mean : SummaryOptions::first, .shown_only = mean},
          .transform = token_transform()};
}

#endif  // HFT_DEFINES

}  // namespace hft
