// GPT-BigCode (SantaCoder, StarCoder): GPT-2 whose heads share their keys and values. Ben Allal et al. 2023,
// arXiv 2301.03988. transformers/models/gpt_bigcode/modeling_gpt_bigcode.py
#pragma once
#include <hft/models/gpt2.hpp>

namespace hft {

/// transformers.GPTBigCodeConfig; fields have its names and defaults.
struct GPTBigCodeConfig : GPT2Config {
  bool attention_softmax_in_fp32 = true;  // matters of half-precision rounding; scores are f32 here anyway
  bool scale_attention_softmax_in_fp32 = true;
  bool multi_query = true;
  std::optional<isize> num_key_value_heads = {};  // written by Transformers, and not read: multi_query says it
  bool add_cross_attention = false;
  ClassLabels id2label = {};
  std::optional<short_string> problem_type = {};

  static constexpr const char* model_type = "gpt_bigcode";
  static constexpr const char* class_prefix = "GPTBigCode";

  GPTBigCodeConfig() { activation_function = "gelu_pytorch_tanh"; }
  void fields(field_visitor& v);
  /// Throws config_error for values that do not fit each other, unsupported_error for cross-attention.
  void check() const;

  void complete_from(const gguf_file& file);
  AttentionOptions attention(isize layer) const;
  TextModelOptions<> text_model() const;
  ClassifierOptions classifier() const {
    return {.hidden_size = n_embd,
            .num_labels = id2label.count(),
            .pad_token_id = pad_token_id,
            .problem_type = problem_type};
  }
  f64 token_dropout() const { return 0.1; }

  static constexpr name_rule rules[] = {{"embed_tokens", "wte"},
                                        {"embed_positions", "wpe"},
                                        {"layers.*.input_layernorm", "h.*.ln_1"},
                                        {"layers.*.self_attn.qkv_proj", "h.*.attn.c_attn"},
                                        {"layers.*.self_attn.o_proj", "h.*.attn.c_proj"},
                                        {"layers.*.post_attention_layernorm", "h.*.ln_2"},
                                        {"layers.*.mlp.up_proj", "h.*.mlp.c_fc"},
                                        {"layers.*.mlp.down_proj", "h.*.mlp.c_proj"},
                                        {"norm", "ln_f"}};
  static constexpr name_tables names{.base_model_prefix = "transformer",
                                     .rules = rules,
                                     .gguf = gguf_decoder_names,
                                     .gguf_architecture = "starcoder",
                                     .ignored = GPT2Config::ignored};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GPTBigCodeModel = DecoderModel<GPTBigCodeConfig, GPT2Block, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GPTBigCodeForCausalLM = CausalLM<GPTBigCodeConfig, GPT2Block, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GPTBigCodeForSequenceClassification =
    DecoderForSequenceClassification<GPTBigCodeConfig, GPT2Block, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using GPTBigCodeForTokenClassification =
    DecoderForTokenClassification<GPTBigCodeConfig, GPT2Block, LayerNorm, build<W, D, L, S>>;

struct gpt_bigcode : architecture<GPTBigCodeConfig, GPTBigCodeModel, GPTBigCodeForCausalLM,
                                  GPTBigCodeForSequenceClassification, GPTBigCodeForTokenClassification> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void GPTBigCodeConfig::fields(field_visitor& v) {
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
  v("bos_token_id", bos_token_id, v.anything.gguf("tokenizer.ggml.bos_token_id"));
  v("eos_token_id", eos_token_id, v.anything.gguf("tokenizer.ggml.eos_token_id"));
  v("pad_token_id", pad_token_id, v.anything.gguf("tokenizer.ggml.padding_token_id"));
  v("attention_softmax_in_fp32", attention_softmax_in_fp32);
  v("scale_attention_softmax_in_fp32", scale_attention_softmax_in_fp32);
  v("multi_query", multi_query);
  v("num_key_value_heads", num_key_value_heads, v.extent);
  v("add_cross_attention", add_cross_attention);
  v("tie_word_embeddings", tie_word_embeddings);
  v("id2label", id2label);
  v("problem_type", problem_type);
}

// The converter says one head of keys and values of all files.
HFT_INLINE void GPTBigCodeConfig::complete_from(const gguf_file& file) {
  GPT2Config::complete_from(file);
  const auto* qkv = file.find_tensor("blk.0.attn_qkv.weight");
  multi_query = !(qkv && qkv->shape.size() == 2 && qkv->shape[0] == 3 * n_embd);
}

HFT_INLINE void GPTBigCodeConfig::check() const {
  check_divides(model_type, "n_head", n_head, "n_embd", n_embd);
  find_activation(activation_function, model_type);
  if (add_cross_attention) throw unsupported_error(model_type, "add_cross_attention", "false", "true");
}

HFT_INLINE AttentionOptions GPTBigCodeConfig::attention(isize layer) const {
  AttentionOptions o = GPT2Config::attention(layer);
  if (multi_query)
    o.num_kv_heads = 1;
  else
    o.qkv.groups = n_head;
  return o;
}

HFT_INLINE TextModelOptions<> GPTBigCodeConfig::text_model() const {
  auto o = GPT2Config::text_model();
  o.where = class_prefix;
  for (isize i = 0; i < n_layer; ++i) o.layers[std::size_t(i)].attention = attention(i);
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
