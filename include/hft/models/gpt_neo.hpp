// GPT-Neo: GPT-2 with scores that are not scaled, on every second layer of the last keys alone.
// EleutherAI 2021. transformers/models/gpt_neo/modeling_gpt_neo.py
#pragma once
#include <hft/models/opt.hpp>

namespace hft {

/// transformers.GPTNeoConfig; fields have its names and defaults.
struct GPTNeoConfig {
  isize vocab_size = 50257;
  isize max_position_embeddings = 2048;
  isize hidden_size = 2048;
  isize num_layers = 24;
  LayerRuns attention_types = {{{{"global", "local"}, 12}}};
  isize num_heads = 16;
  std::optional<isize> intermediate_size = {};  // default: 4 * hidden_size
  isize window_size = 256;                      // keys that a query sees on a local layer, itself included
  short_string activation_function = "gelu_new";
  f64 resid_dropout = 0, embed_dropout = 0, attention_dropout = 0, classifier_dropout = 0.1;
  f64 layer_norm_epsilon = 1e-5;
  f64 initializer_range = 0.02;
  bool use_cache = true;
  std::optional<i64> bos_token_id = 50256;
  TokenIds eos_token_id = 50256;
  std::optional<i64> pad_token_id = {};
  bool tie_word_embeddings = true;
  ClassLabels id2label = {};
  std::optional<short_string> problem_type = {};

  static constexpr const char* model_type = "gpt_neo";
  static constexpr const char* class_prefix = "GPTNeo";

  void fields(field_visitor& v);
  void check() const;

  AttentionOptions attention(const std::string& kind, isize layer) const;
  TextModelOptions<> text_model() const;
  LMHeadOptions lm_head() const {
    return {.hidden_size = hidden_size, .vocab_size = vocab_size, .tied = tie_word_embeddings};
  }
  ClassifierOptions classifier() const {
    return {.hidden_size = hidden_size,
            .num_labels = id2label.count(),
            .pad_token_id = pad_token_id,
            .problem_type = problem_type};
  }
  f64 token_dropout() const { return classifier_dropout; }

  static constexpr name_rule rules[] = {{"embed_tokens", "wte"},
                                        {"embed_positions", "wpe"},
                                        {"layers.*.input_layernorm", "h.*.ln_1"},
                                        {"layers.*.self_attn.o_proj", "h.*.attn.attention.out_proj"},
                                        {"layers.*.self_attn", "h.*.attn.attention"},
                                        {"layers.*.post_attention_layernorm", "h.*.ln_2"},
                                        {"layers.*.mlp.in_proj", "h.*.mlp.c_fc"},
                                        {"layers.*.mlp.down_proj", "h.*.mlp.c_proj"},
                                        {"norm", "ln_f"}};
  static constexpr std::string_view ignored[] = {"*.attn.attention.bias", "*.attn.attention.masked_bias"};  // the mask
  static constexpr name_tables names{.base_model_prefix = "transformer", .rules = rules, .ignored = ignored};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GPTNeoModel = DecoderModel<GPTNeoConfig, OPTBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GPTNeoForCausalLM = CausalLM<GPTNeoConfig, OPTBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GPTNeoForSequenceClassification =
    DecoderForSequenceClassification<GPTNeoConfig, OPTBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GPTNeoForTokenClassification =
    DecoderForTokenClassification<GPTNeoConfig, OPTBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GPTNeoForQuestionAnswering = DecoderForQuestionAnswering<GPTNeoConfig, OPTBlock, LayerNorm, build<W, D, L, S>>;

struct gpt_neo : architecture<GPTNeoConfig, GPTNeoModel, GPTNeoForCausalLM, GPTNeoForSequenceClassification,
                              GPTNeoForTokenClassification, GPTNeoForQuestionAnswering> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void GPTNeoConfig::fields(field_visitor& v) {
  v("vocab_size", vocab_size, v.extent);
  v("max_position_embeddings", max_position_embeddings, v.extent);
  v("hidden_size", hidden_size, v.extent);
  v("num_layers", num_layers, v.layers.also("num_hidden_layers"));
  v("attention_types", attention_types);
  auto attention_layers = attention_types.layers();  // what a file says of them follows from attention_types
  v("attention_layers", attention_layers);
  v("num_heads", num_heads, v.extent.also("num_attention_heads"));
  v("intermediate_size", intermediate_size, v.extent);
  v("window_size", window_size, v.extent);
  v("activation_function", activation_function);
  v("resid_dropout", resid_dropout, v.rate);
  v("embed_dropout", embed_dropout, v.rate);
  v("attention_dropout", attention_dropout, v.rate);
  v("classifier_dropout", classifier_dropout, v.rate);
  v("layer_norm_epsilon", layer_norm_epsilon, v.not_negative);
  v("initializer_range", initializer_range);
  v("use_cache", use_cache);
  v("bos_token_id", bos_token_id);
  v("eos_token_id", eos_token_id);
  v("pad_token_id", pad_token_id);
  v("tie_word_embeddings", tie_word_embeddings);
  v("id2label", id2label);
  v("problem_type", problem_type);
}

HFT_INLINE void GPTNeoConfig::check() const {
  check_divides(model_type, "num_heads", num_heads, "hidden_size", hidden_size);
  find_activation(activation_function, model_type);
  const auto kinds = attention_types.layers();
  if (isize(kinds.size()) != num_layers)
    throw config_error(model_type, "attention_types", detail::joined("one for each of ", num_layers, " layers"),
                       detail::joined(kinds.size()));
  for (const std::string& kind : kinds)
    if (kind != "global" && kind != "local")
      throw config_error(model_type, "attention_types", "global or local", detail::quote_text(kind));
}

HFT_INLINE AttentionOptions GPTNeoConfig::attention(const std::string& kind, isize layer) const {
  AttentionOptions o{.hidden_size = hidden_size,
                     .num_heads = num_heads,
                     .num_kv_heads = num_heads,
                     .head_dim = hidden_size / num_heads,
                     .layer = layer,
                     .output_bias = true,
                     .scale = 1,
                     .dropout = attention_dropout};
  if (kind == "local") o.visible = visibility::window(window_size);
  return o;
}

HFT_INLINE TextModelOptions<> GPTNeoConfig::text_model() const {
  const NormOptions norm{.size = hidden_size, .eps = layer_norm_epsilon};
  const MLPOptions mlp{.hidden_size = hidden_size,
                       .intermediate_size = intermediate_size.value_or(4 * hidden_size),
                       .activation = find_activation(activation_function, model_type),
                       .bias = true};
  TextModelOptions<> o{.where = class_prefix,
                       .embeddings = {.vocab_size = vocab_size,
                                      .hidden_size = hidden_size,
                                      .max_positions = max_position_embeddings,
                                      .types_are_tokens = true,
                                      .dropout = embed_dropout},
                       .norm = norm};
  for (isize i = 0; const std::string& kind : attention_types.layers())
    o.layers.push_back({.norm = norm, .attention = attention(kind, i++), .mlp = mlp, .dropout = resid_dropout});
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
