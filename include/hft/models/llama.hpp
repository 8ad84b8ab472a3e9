// Llama: a pre-norm decoder with RMSNorm, rotary positions, grouped-query attention and a SwiGLU MLP.
// Touvron et al. 2023, arXiv 2302.13971; arXiv 2307.09288; Dubey et al. 2024, arXiv 2407.21783.
// transformers/models/llama/modeling_llama.py
#pragma once
#include <hft/layers/attention.hpp>
#include <hft/layers/mlp.hpp>
#include <hft/layers/positions.hpp>
#include <hft/models/decoder.hpp>

namespace hft {

/// transformers.LlamaConfig; fields have its names and defaults, and both its spellings of rotary parameters are read.
struct LlamaConfig {
  isize vocab_size = 32000;
  isize hidden_size = 4096;
  isize intermediate_size = 11008;
  isize num_hidden_layers = 32;
  isize num_attention_heads = 32;
  std::optional<isize> num_key_value_heads = {};  // default: num_attention_heads
  short_string hidden_act = "silu";
  isize max_position_embeddings = 2048;
  f64 initializer_range = 0.02;
  f64 rms_norm_eps = 1e-6;
  bool use_cache = true;
  std::optional<i64> pad_token_id = {};
  std::optional<i64> bos_token_id = 1;
  TokenIds eos_token_id = {};  // Transformers' default is 2; a config without any has none here
  isize pretraining_tp = 1;
  bool tie_word_embeddings = false;
  RopeParameters rope_parameters{};
  bool attention_bias = false;
  f64 attention_dropout = 0;
  bool mlp_bias = false;
  std::optional<isize> head_dim = {};             // default: hidden_size / num_attention_heads
  ClassLabels id2label = {};                      // of LlamaForSequenceClassification
  std::optional<short_string> problem_type = {};  // what its labels are: see sequence_classification_loss

  static constexpr const char* model_type = "llama";
  static constexpr const char* class_prefix = "Llama";

  template <class Self, class F>
  static void fields(Self& c, F& field) {
    field("vocab_size", c.vocab_size);
    field("hidden_size", c.hidden_size);
    field("intermediate_size", c.intermediate_size);
    field("num_hidden_layers", c.num_hidden_layers);
    field("num_attention_heads", c.num_attention_heads);
    field("num_key_value_heads", c.num_key_value_heads);
    field("hidden_act", c.hidden_act);
    field("max_position_embeddings", c.max_position_embeddings);
    field("initializer_range", c.initializer_range);
    field("rms_norm_eps", c.rms_norm_eps);
    field("use_cache", c.use_cache);
    field("pad_token_id", c.pad_token_id);
    field("bos_token_id", c.bos_token_id);
    field("eos_token_id", c.eos_token_id);
    field("pretraining_tp", c.pretraining_tp);
    field("tie_word_embeddings", c.tie_word_embeddings);
    field("rope_parameters", c.rope_parameters);
    field("attention_bias", c.attention_bias);
    field("attention_dropout", c.attention_dropout);
    field("mlp_bias", c.mlp_bias);
    field("head_dim", c.head_dim);
    field("id2label", c.id2label);
    field("problem_type", c.problem_type);
  }

  constexpr isize key_value_heads() const { return num_key_value_heads.value_or(num_attention_heads); }
  constexpr isize head_size() const { return head_dim.value_or(hidden_size / num_attention_heads); }

  /// The extents a specialised build compiles for.
  constexpr std::array<isize, 4> extents() const {
    return {hidden_size, intermediate_size, num_attention_heads * head_size(), head_size()};
  }

  /// Throws config_error for values out of range or that do not fit each other.
  void check() const {
    detail::check_extent(model_type, "vocab_size", vocab_size);
    detail::check_extent(model_type, "hidden_size", hidden_size);
    detail::check_extent(model_type, "intermediate_size", intermediate_size);
    detail::check_extent(model_type, "num_hidden_layers", num_hidden_layers, 0, detail::most_layers);
    detail::check_extent(model_type, "num_attention_heads", num_attention_heads);
    detail::check_extent(model_type, "num_key_value_heads", key_value_heads());
    detail::check_extent(model_type, "max_position_embeddings", max_position_embeddings);
    if (!head_dim && hidden_size % num_attention_heads)
      throw config_error(model_type, "attention heads", "num_attention_heads to divide hidden_size",
                         detail::joined(num_attention_heads, " and ", hidden_size));
    detail::check_extent(model_type, "head_dim", head_size());
    detail::check_extent(model_type, "num_attention_heads * head_dim", num_attention_heads * head_size());
    detail::check_not_negative(model_type, "rms_norm_eps", rms_norm_eps);
    detail::check_rate(model_type, "attention_dropout", attention_dropout);
    check_heads(attention(0), model_type);
    mlp(0);
  }

  NormOptions norm() const { return {.size = hidden_size, .eps = rms_norm_eps}; }
  AttentionOptions attention(isize layer) const {
    return {.hidden_size = hidden_size,
            .num_heads = num_attention_heads,
            .num_kv_heads = key_value_heads(),
            .head_dim = head_size(),
            .layer = layer,
            .bias = attention_bias,
            .output_bias = attention_bias,
            .dropout = attention_dropout,
            .rope = rope()};
  }
  MLPOptions mlp(isize) const {
    return {.hidden_size = hidden_size,
            .intermediate_size = intermediate_size,
            .activation = find_activation(hidden_act, model_type),
            .bias = mlp_bias};
  }
  RopeScaling rope() const { return {rope_parameters, head_size(), max_position_embeddings}; }

  // ---- GGUF: llama.cpp's keys and names
  static LlamaConfig from_gguf(const gguf_file& file) {
    const auto architecture = file.at("general.architecture").as_string();
    if (architecture != model_type)
      throw unsupported_error(file.where(), "general.architecture", detail::quote_text(model_type),
                              detail::quote_text(architecture));
    LlamaConfig c;
    c.hidden_size = file.at("llama.embedding_length").as_i64();
    c.intermediate_size = file.at("llama.feed_forward_length").as_i64();
    c.num_hidden_layers = file.at("llama.block_count").as_i64();
    c.num_attention_heads = file.at("llama.attention.head_count").as_i64();
    c.num_key_value_heads = file.get<i64>("llama.attention.head_count_kv", c.num_attention_heads);
    c.max_position_embeddings = file.at("llama.context_length").as_i64();
    c.rms_norm_eps = file.get<f64>("llama.attention.layer_norm_rms_epsilon", c.rms_norm_eps);
    if (const auto* n = file.find("llama.attention.key_length")) c.head_dim = n->as_i64();
    c.rope_parameters.rope_theta = file.get<f64>("llama.rope.freq_base", c.rope_parameters.rope_theta);
    const auto* scaling = file.find("llama.rope.scaling.type");
    if (scaling && scaling->as_string() != "none") {
      c.rope_parameters.rope_type = short_string(scaling->as_string());
      c.rope_parameters.factor = file.get<f64>("llama.rope.scaling.factor", 1.0);
    }
    // llama.cpp computes llama3's and longrope's frequency factors when it converts; they are a longrope without its
    // scale.
    if (const auto* factors = file.find_tensor("rope_freqs.weight")) {
      std::vector<f32> values(std::size_t(factors->numel()));
      convert(dtype_id::f32, values.data(), factors->dtype, factors->bytes.data(), factors->numel());
      c.rope_parameters.rope_type = "longrope";
      c.rope_parameters.short_factor.assign(values.begin(), values.end());
      c.rope_parameters.long_factor = c.rope_parameters.short_factor;
      c.rope_parameters.attention_factor = 1;
    }
    const auto* embeddings = file.find_tensor("token_embd.weight");
    if (!embeddings || embeddings->shape.size() != 2)
      throw weight_error(file.where(), "tensor 'token_embd.weight'", "a matrix (vocabulary, hidden)");
    c.vocab_size = embeddings->shape[0];
    c.tie_word_embeddings = !file.find_tensor("output.weight");
    c.attention_bias = file.find_tensor("blk.0.attn_q.bias") != nullptr;
    c.mlp_bias = file.find_tensor("blk.0.ffn_down.bias") != nullptr;
    if (const auto* id = file.find("tokenizer.ggml.bos_token_id")) c.bos_token_id = id->as_i64();
    if (const auto* id = file.find("tokenizer.ggml.eos_token_id")) c.eos_token_id = id->as_i64();
    if (const auto* id = file.find("tokenizer.ggml.padding_token_id")) c.pad_token_id = id->as_i64();
    c.check();
    return c;
  }
  static name_map gguf_names() {
    return {{"token_embd", "model.embed_tokens"},
            {"blk.*.attn_norm", "model.layers.*.input_layernorm"},
            {"blk.*.attn_q", "model.layers.*.self_attn.q_proj"},
            {"blk.*.attn_k", "model.layers.*.self_attn.k_proj"},
            {"blk.*.attn_v", "model.layers.*.self_attn.v_proj"},
            {"blk.*.attn_output", "model.layers.*.self_attn.o_proj"},
            {"blk.*.ffn_norm", "model.layers.*.post_attention_layernorm"},
            {"blk.*.ffn_gate", "model.layers.*.mlp.gate_proj"},
            {"blk.*.ffn_up", "model.layers.*.mlp.up_proj"},
            {"blk.*.ffn_down", "model.layers.*.mlp.down_proj"},
            {"output_norm", "model.norm"},
            {"output", "lm_head"}};
  }
  /// The heads whose rows llama.cpp reorders in the parameter at `path`; 0 for none.
  isize gguf_permuted_heads(std::string_view path) const {
    if (path.find(".q_proj.") != path.npos) return num_attention_heads;
    if (path.find(".k_proj.") != path.npos) return key_value_heads();
    return 0;
  }
  static bool ignored(std::string_view name) {
    return name.ends_with("rotary_emb.inv_freq") || name == "rope_freqs.weight";
  }
};

template <class B>
using LlamaBlock = PreNormBlock<RMSNorm<B>, SelfAttention<B, rope>, GatedMLP<B>>;

template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using LlamaModel = DecoderModel<LlamaConfig, LlamaBlock, RMSNorm, build<W, D, L, S>>;

template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using LlamaForCausalLM = CausalLM<LlamaConfig, LlamaBlock, RMSNorm, build<W, D, L, S>>;

template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using LlamaForSequenceClassification =
    DecoderForSequenceClassification<LlamaConfig, LlamaBlock, RMSNorm, build<W, D, L, S>>;

}  // namespace hft
