// Jamba: layers of Mamba and of attention by turns, each with an MLP behind it that is a mixture of experts on some;
// positions are told by the states alone. Lieber et al. 2024, arXiv 2403.19887.
// transformers/models/jamba/modeling_jamba.py
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include <hft/io/gguf_writer.hpp>
#include <hft/layers/hybrid_attention.hpp>
#include <hft/models/mamba.hpp>
#include <hft/models/sparse_config.hpp>

namespace hft {

/// transformers.JambaConfig; fields have its names and defaults. Of the base it has neither rotary positions nor
/// norm_topk_prob.
struct JambaConfig : SparseConfig {
  isize expert_layer_period = 2, expert_layer_offset = 1;  // layer i has experts where i % period is the offset
  isize attn_layer_period = 8, attn_layer_offset = 4;      // so attention, others Mamba
  isize mamba_d_state = 16, mamba_d_conv = 4, mamba_expand = 2;
  std::optional<isize> mamba_dt_rank = {};  // default: hidden_size / 16, rounded up
  bool mamba_conv_bias = true, mamba_proj_bias = false;

  static constexpr const char* model_type = "jamba";
  static constexpr const char* class_prefix = "Jamba";
  static constexpr name_rule rules[] = {{"layers.*.post_attention_layernorm", "layers.*.pre_ff_layernorm"},
                                        {"layers.*.mlp.gate", "layers.*.feed_forward.router"},
                                        {"layers.*.mlp", "layers.*.feed_forward"},
                                        {"norm", "final_layernorm"}};
  static constexpr auto gguf_names =
      gguf_decoder_names_and({{"model.layers.*.mamba.in_proj", "blk.*.ssm_in"},
                              {"model.layers.*.mamba.conv1d", "blk.*.ssm_conv1d"},
                              {"model.layers.*.mamba.x_proj", "blk.*.ssm_x"},
                              {"model.layers.*.mamba.dt_proj", "blk.*.ssm_dt"},
                              {"model.layers.*.mamba.dt_layernorm", "blk.*.ssm_dt_norm"},
                              {"model.layers.*.mamba.b_layernorm", "blk.*.ssm_b_norm"},
                              {"model.layers.*.mamba.c_layernorm", "blk.*.ssm_c_norm"},
                              {"model.layers.*.mamba.A_log", "blk.*.ssm_a", stored_as::minus_exp},
                              {"model.layers.*.mamba.D", "blk.*.ssm_d"},
                              {"model.layers.*.mamba.out_proj", "blk.*.ssm_out"}});
  static constexpr name_tables names{
      .rules = rules, .gguf = gguf_names, .gguf_stacks = gguf_expert_stacks, .gguf_pairs = false};

  JambaConfig();
  void fields(field_visitor& v);
  void check() const;

  void complete_from(const gguf_file& file);
  void complete_in(gguf_keys& keys) const;
  bool attends(isize layer) const { return layer % attn_layer_period == attn_layer_offset; }
  AttentionOptions attention(isize layer) const;
  TokenModelOptions<> text_model() const;
  bool initialise(std::string_view path, const std::vector<isize>& shape, const random_stream&,
                  std::vector<f32>& values) const {
    return initialise_states(path, shape, values);
  }
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using JambaModel = DecoderModel<JambaConfig, HybridBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using JambaForCausalLM = CausalLM<JambaConfig, HybridBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using JambaForSequenceClassification =
    DecoderForSequenceClassification<JambaConfig, HybridBlock, RMSNorm, build<W, D, L, S>>;

struct jamba : architecture<JambaConfig, JambaModel, JambaForCausalLM, JambaForSequenceClassification> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE JambaConfig::JambaConfig() {
  vocab_size = 65536;
  intermediate_size = 14336;
  num_key_value_heads = 8;
  max_position_embeddings = 262144;
  pad_token_id = 0;
  eos_token_id = 2;
  num_experts = 16;
  num_experts_per_tok = 2;
}

HFT_INLINE void JambaConfig::fields(field_visitor& v) {
  v("vocab_size", vocab_size, v.extent);
  v("hidden_size", hidden_size, v.extent.gguf("embedding_length"));
  v("intermediate_size", intermediate_size, v.extent.gguf("feed_forward_length"));
  v("num_hidden_layers", num_hidden_layers, v.layers.gguf("block_count"));
  v("num_attention_heads", num_attention_heads, v.extent.gguf("attention.head_count"));
  v("num_key_value_heads", num_key_value_heads, v.extent.gguf("attention.head_count_kv"));
  v("hidden_act", hidden_act);
  v("max_position_embeddings", max_position_embeddings, v.extent.gguf("context_length"));
  v("initializer_range", initializer_range);
  v("rms_norm_eps", rms_norm_eps, v.not_negative.gguf("attention.layer_norm_rms_epsilon"));
  v("use_cache", use_cache);
  v("pad_token_id", pad_token_id, v.anything.gguf("tokenizer.ggml.padding_token_id"));
  v("bos_token_id", bos_token_id, v.anything.gguf("tokenizer.ggml.bos_token_id"));
  v("eos_token_id", eos_token_id, v.anything.gguf("tokenizer.ggml.eos_token_id"));
  v("tie_word_embeddings", tie_word_embeddings);
  v("attention_dropout", attention_dropout, v.rate);
  v("head_dim", head_dim, v.extent.written_if_set());
  v("num_experts", num_experts, v.extent.also("num_local_experts").gguf("expert_count"));
  v("num_experts_per_tok", num_experts_per_tok, v.extent.gguf("expert_used_count"));
  v("output_router_logits", output_router_logits);
  v("router_aux_loss_coef", router_aux_loss_coef);
  v("expert_layer_period", expert_layer_period, v.extent);
  v("expert_layer_offset", expert_layer_offset, v.not_negative);
  v("attn_layer_period", attn_layer_period, v.extent);
  v("attn_layer_offset", attn_layer_offset, v.not_negative);
  v("mamba_d_state", mamba_d_state, v.extent.gguf("ssm.state_size"));
  v("mamba_d_conv", mamba_d_conv, v.extent.gguf("ssm.conv_kernel"));
  v("mamba_expand", mamba_expand, v.extent);
  v("mamba_dt_rank", mamba_dt_rank, v.extent.gguf("ssm.time_step_rank"));
  v("mamba_conv_bias", mamba_conv_bias);
  v("mamba_proj_bias", mamba_proj_bias);
  v("id2label", id2label);
  v("problem_type", problem_type);
}

HFT_INLINE void JambaConfig::complete_from(const gguf_file& file) {
  complete_embeddings_from(file, vocab_size, tie_word_embeddings);
  mamba_expand = gguf_number(file, "ssm.inner_size") / std::max<isize>(hidden_size, 1);
  mamba_proj_bias = gguf_layers_have(file, "ssm_in.bias");
  mamba_conv_bias = gguf_layers_have(file, "ssm_conv1d.bias");
  // The first of the layers of a kind, and how far the next is; without one, further than there are layers.
  const auto turns = [&](const char* tensor, isize& period, isize& offset) {
    const auto with = gguf_layers_with(file, tensor);
    const auto first = std::find(with.begin(), with.end(), true);
    const auto next = first == with.end() ? first : std::find(first + 1, with.end(), true);
    offset = isize(first - with.begin());
    period = next == with.end() ? isize(with.size()) + 1 : isize(next - first);
  };
  turns("attn_q.weight", attn_layer_period, attn_layer_offset);
  turns("ffn_gate_inp.weight", expert_layer_period, expert_layer_offset);
}

HFT_INLINE void JambaConfig::complete_in(gguf_keys& keys) const {
  keys.number("ssm.inner_size", mamba_expand * hidden_size);
  std::vector<std::int32_t> heads;
  for (isize i = 0; i < num_hidden_layers; ++i) heads.push_back(attends(i) ? std::int32_t(key_value_heads()) : 0);
  keys.numbers("attention.head_count_kv", heads);
}

HFT_INLINE void JambaConfig::check() const {
  check_decoder(*this, model_type);
  check_channels(mamba_expand, hidden_size, "mamba_expand * hidden_size", model_type);
  if (num_experts > 1) check_experts(num_experts, num_experts_per_tok, model_type);
  const auto check_offset = [](const char* name, isize offset, isize period) {
    if (offset >= period)
      throw config_error(model_type, name, detail::joined("less than its period ", period), detail::joined(offset));
  };
  check_offset("expert_layer_offset", expert_layer_offset, expert_layer_period);
  check_offset("attn_layer_offset", attn_layer_offset, attn_layer_period);
}

HFT_INLINE AttentionOptions JambaConfig::attention(isize layer) const {
  AttentionOptions o = decoder_attention(*this, layer);
  o.rope = {}, o.rotary = false;
  if (attends(layer)) return o;
  o.mamba = MambaMixerOptions{.hidden_size = hidden_size,
                              .intermediate_size = mamba_expand * hidden_size,
                              .time_step_rank = mamba_dt_rank.value_or((hidden_size + 15) / 16),
                              .state_size = mamba_d_state,
                              .conv_kernel = mamba_d_conv,
                              .activation = find_activation(hidden_act, model_type),
                              .use_bias = mamba_proj_bias,
                              .use_conv_bias = mamba_conv_bias,
                              .norm_eps = rms_norm_eps,
                              .layer = layer};
  return o;
}

HFT_INLINE TokenModelOptions<> JambaConfig::text_model() const {
  auto o = decoder_model(*this, class_prefix, {.size = hidden_size, .eps = rms_norm_eps});
  for (auto& layer : o.layers) {
    const isize i = layer.attention.layer;
    if (!attends(i)) layer.attention_name = "mamba";
    if (num_experts > 1 && i % expert_layer_period == expert_layer_offset)
      layer.mlp.experts = experts(intermediate_size);
  }
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
