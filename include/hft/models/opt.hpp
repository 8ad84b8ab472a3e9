// OPT: a decoder with LayerNorm, learned positions that count what the mask shows, and a rectified MLP.
// Zhang et al. 2022, arXiv 2205.01068. transformers/models/opt/modeling_opt.py
#pragma once
#include <hft/models/decoder.hpp>

namespace hft {

/// transformers.OPTConfig; fields have its names and defaults.
struct OPTConfig {
  isize vocab_size = 50272;
  isize hidden_size = 768;
  isize num_hidden_layers = 12;
  isize ffn_dim = 3072;
  isize max_position_embeddings = 2048;
  bool do_layer_norm_before = true;
  bool remove_final_layer_norm = false;           // _remove_final_layer_norm
  std::optional<isize> word_embed_proj_dim = {};  // of tokens' rows and of the head; default: hidden_size
  f64 dropout = 0.1, attention_dropout = 0;
  isize num_attention_heads = 12;
  short_string activation_function = "relu";
  f64 layerdrop = 0;
  f64 init_std = 0.02;
  bool use_cache = true;
  std::optional<i64> pad_token_id = 1, bos_token_id = 2;
  TokenIds eos_token_id = 2;
  bool enable_bias = true;
  bool layer_norm_elementwise_affine = true;
  bool tie_word_embeddings = true;
  ClassLabels id2label = {};
  std::optional<short_string> problem_type = {};

  static constexpr const char* model_type = "opt";
  static constexpr const char* class_prefix = "OPT";

  void fields(field_visitor& v);
  /// Throws config_error for values that do not fit each other, unsupported_error for layers that are left out.
  void check() const;

  isize word_size() const { return word_embed_proj_dim.value_or(hidden_size); }
  f64 initial_deviation(std::string_view) const { return init_std; }
  AttentionOptions attention(isize layer) const;
  TextModelOptions<> text_model() const;
  LMHeadOptions lm_head() const {
    return {.hidden_size = word_size(), .vocab_size = vocab_size, .tied = tie_word_embeddings};
  }
  ClassifierOptions classifier() const {
    return {.hidden_size = word_size(),
            .num_labels = id2label.count(),
            .pad_token_id = pad_token_id,
            .problem_type = problem_type};
  }

  static constexpr name_rule rules[] = {{"layers.*.input_layernorm", "decoder.layers.*.self_attn_layer_norm"},
                                        {"layers.*.self_attn.o_proj", "decoder.layers.*.self_attn.out_proj"},
                                        {"layers.*.post_attention_layernorm", "decoder.layers.*.final_layer_norm"},
                                        {"layers.*.mlp.in_proj", "decoder.layers.*.fc1"},
                                        {"layers.*.mlp.down_proj", "decoder.layers.*.fc2"},
                                        {"layers", "decoder.layers"},
                                        {"embed_tokens", "decoder.embed_tokens"},
                                        {"embed_positions", "decoder.embed_positions"},
                                        {"project_in", "decoder.project_in"},
                                        {"project_out", "decoder.project_out"},
                                        {"norm", "decoder.final_layer_norm"}};
  static constexpr name_tables names{.rules = rules};
};

template <class B>
using OPTBlock = TransformerBlock<LayerNorm<B>, SelfAttention<B, no_positions>, FeedForward<B>>;

template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using OPTModel = DecoderModel<OPTConfig, OPTBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using OPTForCausalLM = CausalLM<OPTConfig, OPTBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using OPTForSequenceClassification =
    DecoderForSequenceClassification<OPTConfig, OPTBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using OPTForQuestionAnswering = DecoderForQuestionAnswering<OPTConfig, OPTBlock, LayerNorm, build<W, D, L, S>>;

struct opt : architecture<OPTConfig, OPTModel, OPTForCausalLM, OPTForSequenceClassification, OPTForQuestionAnswering> {
};

#if HFT_DEFINES(MODELS)

HFT_INLINE void OPTConfig::fields(field_visitor& v) {
  v("vocab_size", vocab_size, v.extent);
  v("hidden_size", hidden_size, v.extent);
  v("num_hidden_layers", num_hidden_layers, v.layers);
  v("ffn_dim", ffn_dim, v.extent);
  v("max_position_embeddings", max_position_embeddings, v.extent);
  v("do_layer_norm_before", do_layer_norm_before);
  v("_remove_final_layer_norm", remove_final_layer_norm);
  v("word_embed_proj_dim", word_embed_proj_dim, v.extent);
  v("dropout", dropout, v.rate);
  v("attention_dropout", attention_dropout, v.rate);
  v("num_attention_heads", num_attention_heads, v.extent);
  v("activation_function", activation_function);
  v("layerdrop", layerdrop, v.rate);
  v("init_std", init_std);
  v("use_cache", use_cache);
  v("pad_token_id", pad_token_id);
  v("bos_token_id", bos_token_id);
  v("eos_token_id", eos_token_id);
  v("enable_bias", enable_bias);
  v("layer_norm_elementwise_affine", layer_norm_elementwise_affine);
  v("tie_word_embeddings", tie_word_embeddings);
  v("id2label", id2label);
  v("problem_type", problem_type);
}

HFT_INLINE void OPTConfig::check() const {
  check_divides(model_type, "num_attention_heads", num_attention_heads, "hidden_size", hidden_size);
  find_activation(activation_function, model_type);
  if (layerdrop > 0) throw unsupported_error(model_type, "layerdrop", "0", detail::joined(layerdrop));
}

HFT_INLINE AttentionOptions OPTConfig::attention(isize layer) const {
  return {.hidden_size = hidden_size,
          .num_heads = num_attention_heads,
          .num_kv_heads = num_attention_heads,
          .head_dim = hidden_size / num_attention_heads,
          .layer = layer,
          .bias = enable_bias,
          .output_bias = enable_bias,
          .dropout = attention_dropout};
}

HFT_INLINE TextModelOptions<> OPTConfig::text_model() const {
  const NormOptions norm{.size = hidden_size, .weight = layer_norm_elementwise_affine};
  const MLPOptions mlp{.hidden_size = hidden_size,
                       .intermediate_size = ffn_dim,
                       .activation = find_activation(activation_function, model_type),
                       .bias = enable_bias};
  constexpr isize first = 2;  // the row of position 0
  TextModelOptions<> o{.where = class_prefix,
                       .embeddings = {.vocab_size = vocab_size,
                                      .hidden_size = word_size(),
                                      .pad_token_id = pad_token_id,
                                      .max_positions = max_position_embeddings + first,
                                      .first_position = first,
                                      .positions_from_mask = true}};
  if (do_layer_norm_before && !remove_final_layer_norm) o.norm = norm;
  if (word_size() != hidden_size) {
    o.embeddings.projected_size = hidden_size;
    o.project_out = {hidden_size, word_size()};
  }
  for (isize i = 0; i < num_hidden_layers; ++i)
    o.layers.push_back({.norm = norm,
                        .attention = attention(i),
                        .mlp = mlp,
                        .dropout = dropout,
                        .norms = do_layer_norm_before ? norms::before : norms::of_the_sum});
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
