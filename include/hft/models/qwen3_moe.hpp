// Qwen3-MoE: Qwen3 whose MLPs are mixtures of experts. Yang et al. 2025, arXiv 2505.09388.
// transformers/models/qwen3_moe/modeling_qwen3_moe.py
#pragma once
#include <hft/models/sparse_config.hpp>

namespace hft {

/// transformers.Qwen3MoeConfig; fields have its names and defaults.
struct Qwen3MoeConfig : SparseConfig {
  bool attention_bias = false;
  bool use_sliding_window = false;
  std::optional<isize> sliding_window = 4096;  // keys that a query sees where use_sliding_window, itself included
  isize moe_intermediate_size = 768;           // of each expert
  SparseLayers sparse{};

  static constexpr const char* model_type = "qwen3_moe";
  static constexpr const char* class_prefix = "Qwen3Moe";
  static constexpr name_tables names{.question_answering_prefix = "transformer",
                                     .rules = rules,
                                     .gguf = gguf_decoder_names,
                                     .gguf_stacks = gguf_expert_stacks,
                                     .gguf_pairs = false,
                                     .gguf_architecture = "qwen3moe"};

  Qwen3MoeConfig();
  void fields(field_visitor& v);
  void check() const;

  void complete_from(const gguf_file& file) {
    SparseConfig::complete_from(file);
    norm_topk_prob = true;  // as llama.cpp takes it
  }
  AttentionOptions attention(isize layer) const;
  TokenModelOptions<> text_model() const;
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Qwen3MoeModel = DecoderModel<Qwen3MoeConfig, SparseBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Qwen3MoeForCausalLM = CausalLM<Qwen3MoeConfig, SparseBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Qwen3MoeForSequenceClassification =
    DecoderForSequenceClassification<Qwen3MoeConfig, SparseBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Qwen3MoeForTokenClassification =
    DecoderForTokenClassification<Qwen3MoeConfig, SparseBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Qwen3MoeForQuestionAnswering =
    DecoderForQuestionAnswering<Qwen3MoeConfig, SparseBlock, RMSNorm, build<W, D, L, S>>;

struct qwen3_moe : architecture<Qwen3MoeConfig, Qwen3MoeModel, Qwen3MoeForCausalLM, Qwen3MoeForSequenceClassification,
                                Qwen3MoeForTokenClassification, Qwen3MoeForQuestionAnswering> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE Qwen3MoeConfig::Qwen3MoeConfig() {
  vocab_size = 151936;
  hidden_size = 2048;
  intermediate_size = 6144;
  num_hidden_layers = 24;
  num_key_value_heads = 4;
  max_position_embeddings = 32768;
  bos_token_id = {};
  num_experts = 128;
  num_experts_per_tok = 8;
}

HFT_INLINE void Qwen3MoeConfig::fields(field_visitor& v) {
  SparseConfig::fields(v);
  v("attention_bias", attention_bias);
  v("use_sliding_window", use_sliding_window);
  v("sliding_window", sliding_window, v.extent);
  v("moe_intermediate_size", moe_intermediate_size, v.extent.gguf("expert_feed_forward_length"));
  sparse.fields(v);
}

HFT_INLINE void Qwen3MoeConfig::check() const {
  check_decoder(*this, model_type);
  check_experts(num_experts, num_experts_per_tok, model_type);
}

HFT_INLINE AttentionOptions Qwen3MoeConfig::attention(isize layer) const {
  AttentionOptions o = decoder_attention(*this, layer);
  o.bias = o.output_bias = attention_bias;
  o.qk_norm = QKNormOptions{.eps = rms_norm_eps};
  if (use_sliding_window && sliding_window) o.visible = visibility::window(*sliding_window);
  return o;
}

HFT_INLINE TokenModelOptions<> Qwen3MoeConfig::text_model() const {
  auto o = decoder_model(*this, class_prefix, {.size = hidden_size, .eps = rms_norm_eps});
  for (auto& layer : o.layers)
    if (sparse(layer.attention.layer)) layer.mlp.experts = experts(moe_intermediate_size);
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
