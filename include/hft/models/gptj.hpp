// GPT-J: a decoder whose attention and MLP see the same input, with LayerNorm and rotary positions of neighbouring
// elements. Wang & Komatsuzaki 2021, "GPT-J-6B". transformers/models/gptj/modeling_gptj.py
#pragma once
#include <hft/models/phi.hpp>

namespace hft {

/// transformers.GPTJConfig; fields have its names and defaults.
struct GPTJConfig {
  isize vocab_size = 50400;
  isize n_positions = 2048;
  isize n_embd = 4096;
  isize n_layer = 28;
  isize n_head = 16;
  isize rotary_dim = 64;              // elements of each head that turn
  std::optional<isize> n_inner = {};  // default: 4 * n_embd
  short_string activation_function = "gelu_new";
  f64 resid_pdrop = 0, embd_pdrop = 0, attn_pdrop = 0;
  f64 layer_norm_epsilon = 1e-5;
  f64 initializer_range = 0.02;
  bool use_cache = true;
  std::optional<i64> bos_token_id = 50256;
  TokenIds eos_token_id = 50256;
  std::optional<i64> pad_token_id = {};
  bool tie_word_embeddings = false;
  ClassLabels id2label = {};                      // of GPTJForSequenceClassification
  std::optional<short_string> problem_type = {};  // what its labels are: see sequence_classification_loss

  static constexpr const char* model_type = "gptj";
  static constexpr const char* class_prefix = "GPTJ";

  void fields(field_visitor& v);
  void check() const;

  AttentionOptions attention(isize layer) const;
  TextModelOptions<> text_model() const;
  LMHeadOptions lm_head() const {
    return {.hidden_size = n_embd, .vocab_size = vocab_size, .tied = tie_word_embeddings, .bias = true};
  }
  ClassifierOptions classifier() const {
    return {.hidden_size = n_embd,
            .num_labels = id2label.count(),
            .pad_token_id = pad_token_id,
            .problem_type = problem_type};
  }

  static constexpr name_rule rules[] = {{"embed_tokens", "wte"},
                                        {"layers.*.input_layernorm", "h.*.ln_1"},
                                        {"layers.*.self_attn.o_proj", "h.*.attn.out_proj"},
                                        {"layers.*.self_attn", "h.*.attn"},
                                        {"layers.*.mlp.up_proj", "h.*.mlp.fc_in"},
                                        {"layers.*.mlp.down_proj", "h.*.mlp.fc_out"},
                                        {"norm", "ln_f"}};
  static constexpr std::string_view ignored[] = {"*.attn.bias", "*.attn.masked_bias", "*.attn.embed_positions"};
  static constexpr name_tables names{.base_model_prefix = "transformer", .rules = rules, .ignored = ignored};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GPTJModel = DecoderModel<GPTJConfig, PhiBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GPTJForCausalLM = CausalLM<GPTJConfig, PhiBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GPTJForSequenceClassification =
    DecoderForSequenceClassification<GPTJConfig, PhiBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GPTJForQuestionAnswering = DecoderForQuestionAnswering<GPTJConfig, PhiBlock, LayerNorm, build<W, D, L, S>>;

struct gptj
    : architecture<GPTJConfig, GPTJModel, GPTJForCausalLM, GPTJForSequenceClassification, GPTJForQuestionAnswering> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void GPTJConfig::fields(field_visitor& v) {
  v("vocab_size", vocab_size, v.extent);
  v("n_positions", n_positions, v.extent.also("max_position_embeddings"));
  v("n_embd", n_embd, v.extent.also("hidden_size"));
  v("n_layer", n_layer, v.layers.also("num_hidden_layers"));
  v("n_head", n_head, v.extent.also("num_attention_heads"));
  v("rotary_dim", rotary_dim, v.extent);
  v("n_inner", n_inner, v.extent);
  v("activation_function", activation_function);
  v("resid_pdrop", resid_pdrop, v.rate);
  v("embd_pdrop", embd_pdrop, v.rate);
  v("attn_pdrop", attn_pdrop, v.rate);
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

HFT_INLINE void GPTJConfig::check() const {
  check_divides(model_type, "n_head", n_head, "n_embd", n_embd);
  if (rotary_dim > n_embd / n_head || rotary_dim % 2)
    throw config_error(model_type, "rotary_dim", detail::joined("an even number up to ", n_embd / n_head),
                       detail::joined(rotary_dim));
  find_activation(activation_function, model_type);
}

HFT_INLINE AttentionOptions GPTJConfig::attention(isize layer) const {
  return {.hidden_size = n_embd,
          .num_heads = n_head,
          .num_kv_heads = n_head,
          .head_dim = n_embd / n_head,
          .layer = layer,
          .dropout = attn_pdrop,
          .rope = RopeScaling({}, rotary_dim, n_positions),
          .interleaved = true};
}

HFT_INLINE TextModelOptions<> GPTJConfig::text_model() const {
  const NormOptions norm{.size = n_embd, .eps = layer_norm_epsilon};
  const MLPOptions mlp{.hidden_size = n_embd,
                       .intermediate_size = n_inner.value_or(4 * n_embd),
                       .activation = find_activation(activation_function, model_type),
                       .bias = true};
  TextModelOptions<> o{
      .where = class_prefix,
      .embeddings = {.vocab_size = vocab_size, .hidden_size = n_embd, .types_are_tokens = true, .dropout = embd_pdrop},
      .norm = norm};
  for (isize i = 0; i < n_layer; ++i)
    o.layers.push_back({.norm = norm,
                        .attention = attention(i),
                        .mlp = mlp,
                        .dropout = resid_pdrop,
                        .parallel = true,
                        .shared_norm = true});
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
