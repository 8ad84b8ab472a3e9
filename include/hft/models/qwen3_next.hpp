// Qwen3-Next: a decoder with the gated delta rule in the place of attention on three of four layers, a gate on what the
// fourth attends to, and mixtures of experts beside one that all tokens see. Qwen Team 2025,
// https://qwen.ai/blog?id=qwen3-next; Yang et al. 2024, arXiv 2412.06464; Qiu et al. 2025, arXiv 2505.06708.
// transformers/models/qwen3_next/modeling_qwen3_next.py
#pragma once
#include <hft/models/delta_layers.hpp>
#include <hft/models/sparse_config.hpp>

namespace hft {

/// transformers.Qwen3NextConfig; fields have its names and defaults.
struct Qwen3NextConfig : SparseConfig {
  bool attention_bias = false;  // of full attention
  DeltaLayers delta{};
  isize moe_intermediate_size = 512;            // of each expert
  isize shared_expert_intermediate_size = 512;  // of the one that all tokens see
  SparseLayers sparse{};

  static constexpr const char* model_type = "qwen3_next";
  static constexpr const char* class_prefix = "Qwen3Next";
  // Of the layers that predict further tokens.
  static constexpr std::string_view ignored[] = {"mtp.*"};
  static constexpr auto gguf_names = joined_rules(gguf_fused_delta_names, gguf_plus_one_names);
  static constexpr name_tables names{.question_answering_prefix = "transformer",
                                     .rules = rules,
                                     .gguf = gguf_names,
                                     .gguf_stacks = gguf_expert_stacks,
                                     .gguf_joins = gguf_delta_joins,
                                     .gguf_pairs = false,
                                     .gguf_architecture = "qwen3next",
                                     .ignored = ignored};

  Qwen3NextConfig();
  void fields(field_visitor& v);
  void check() const;

  void complete_from(const gguf_file& file) {
    DecoderConfig::complete_from(file);
    if (!rope_parameters.partial_rotary_factor) rope_parameters.partial_rotary_factor = 1;  // all of a head
    delta.complete_from(file);
  }
  void complete_in(gguf_keys& keys) const { delta.complete_in(keys, num_hidden_layers); }
  std::vector<row_parts> gguf_parts(std::string_view path) const { return delta.gguf_parts(path); }
  AttentionOptions attention(isize layer) const { return delta.attention(*this, layer, true); }
  TokenModelOptions<> text_model() const;
  bool initialise(std::string_view path, const std::vector<isize>&, const random_stream& random,
                  std::vector<f32>& values) const {
    return DeltaLayers::initialise(path, random, values);
  }
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Qwen3NextModel = DecoderModel<Qwen3NextConfig, HybridBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Qwen3NextForCausalLM = CausalLM<Qwen3NextConfig, HybridBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Qwen3NextForSequenceClassification =
    DecoderForSequenceClassification<Qwen3NextConfig, HybridBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Qwen3NextForTokenClassification =
    DecoderForTokenClassification<Qwen3NextConfig, HybridBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Qwen3NextForQuestionAnswering =
    DecoderForQuestionAnswering<Qwen3NextConfig, HybridBlock, RMSNorm, build<W, D, L, S>>;

struct qwen3_next
    : architecture<Qwen3NextConfig, Qwen3NextModel, Qwen3NextForCausalLM, Qwen3NextForSequenceClassification,
                   Qwen3NextForTokenClassification, Qwen3NextForQuestionAnswering> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE Qwen3NextConfig::Qwen3NextConfig() {
  vocab_size = 151936;
  hidden_size = 2048;
  intermediate_size = 5632;
  num_hidden_layers = 48;
  num_attention_heads = 16;
  num_key_value_heads = 2;
  max_position_embeddings = 32768;
  bos_token_id = {};
  head_dim = 256;
  num_experts = 512;
  num_experts_per_tok = 10;
  norm_topk_prob = true;
}

HFT_INLINE void Qwen3NextConfig::fields(field_visitor& v) {
  SparseConfig::fields(v);
  v("attention_bias", attention_bias);
  delta.fields(v);
  v("moe_intermediate_size", moe_intermediate_size, v.extent.gguf("expert_feed_forward_length"));
  v("shared_expert_intermediate_size", shared_expert_intermediate_size,
    v.extent.gguf("expert_shared_feed_forward_length"));
  sparse.fields(v);
}

HFT_INLINE void Qwen3NextConfig::check() const {
  delta.check(num_hidden_layers, model_type);
  check_decoder(*this, model_type);
  check_experts(num_experts, num_experts_per_tok, model_type);
}

HFT_INLINE TokenModelOptions<> Qwen3NextConfig::text_model() const {
  auto o = DeltaLayers::model(*this);
  for (auto& layer : o.layers)
    if (sparse(layer.attention.layer))
      layer.mlp.experts = experts(moe_intermediate_size, shared_expert_intermediate_size);
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
