// Qwen2-MoE: Qwen2 whose MLPs are mixtures of experts beside one that all tokens see.
// Yang et al. 2024, arXiv 2407.10671. transformers/models/qwen2_moe/modeling_qwen2_moe.py
#pragma once
#include <string>
#include <vector>

#include <hft/models/sparse_config.hpp>

namespace hft {

/// transformers.Qwen2MoeConfig; fields have its names and defaults.
struct Qwen2MoeConfig : SparseConfig {
  bool qkv_bias = true;
  bool use_sliding_window = false;
  std::optional<isize> sliding_window = 4096;    // keys that a query sees on a layer with a window, itself included
  isize max_window_layers = 28;                  // every second layer before this one has it, where layer_types ...
  std::vector<std::string> layer_types = {};     // ... says nothing: "full_attention" or "sliding_attention" for each
  isize moe_intermediate_size = 1408;            // of each expert
  isize shared_expert_intermediate_size = 5632;  // of the one that all tokens see
  SparseLayers sparse{};

  static constexpr const char* model_type = "qwen2_moe";
  static constexpr const char* class_prefix = "Qwen2Moe";
  static constexpr name_tables names{.rules = rules,
                                     .gguf = gguf_decoder_names,
                                     .gguf_stacks = gguf_expert_stacks,
                                     .gguf_pairs = false,
                                     .gguf_architecture = "qwen2moe"};

  Qwen2MoeConfig();
  void fields(field_visitor& v);
  void check() const;

  AttentionOptions attention(isize layer) const;
  TokenModelOptions<> text_model() const;
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Qwen2MoeModel = DecoderModel<Qwen2MoeConfig, SparseBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Qwen2MoeForCausalLM = CausalLM<Qwen2MoeConfig, SparseBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Qwen2MoeForSequenceClassification =
    DecoderForSequenceClassification<Qwen2MoeConfig, SparseBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Qwen2MoeForTokenClassification =
    DecoderForTokenClassification<Qwen2MoeConfig, SparseBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Qwen2MoeForQuestionAnswering =
    DecoderForQuestionAnswering<Qwen2MoeConfig, SparseBlock, RMSNorm, build<W, D, L, S>>;

struct qwen2_moe : architecture<Qwen2MoeConfig, Qwen2MoeModel, Qwen2MoeForCausalLM, Qwen2MoeForSequenceClassification,
                                Qwen2MoeForTokenClassification, Qwen2MoeForQuestionAnswering> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE Qwen2MoeConfig::Qwen2MoeConfig() {
  vocab_size = 151936;
  hidden_size = 2048;
  intermediate_size = 5632;
  num_hidden_layers = 24;
  num_attention_heads = 16;
  num_key_value_heads = 16;
  max_position_embeddings = 32768;
  bos_token_id = {};
}

HFT_INLINE void Qwen2MoeConfig::fields(field_visitor& v) {
  SparseConfig::fields(v);
  v("qkv_bias", qkv_bias);
  v("use_sliding_window", use_sliding_window);
  v("sliding_window", sliding_window);  // 0 where there is none
  v("max_window_layers", max_window_layers);
  v("layer_types", layer_types);
  v("moe_intermediate_size", moe_intermediate_size, v.extent.gguf("expert_feed_forward_length"));
  v("shared_expert_intermediate_size", shared_expert_intermediate_size,
    v.extent.gguf("expert_shared_feed_forward_length"));
  sparse.fields(v);
}

HFT_INLINE void Qwen2MoeConfig::check() const {
  check_decoder(*this, model_type);
  check_experts(num_experts, num_experts_per_tok, model_type);
  check_layer_types(layer_types, num_hidden_layers, model_type);
}

HFT_INLINE AttentionOptions Qwen2MoeConfig::attention(isize layer) const {
  AttentionOptions o = decoder_attention(*this, layer);
  o.bias = qkv_bias;
  const bool slides = layer_types.empty() ? layer % 2 == 0 && layer < max_window_layers
                                          : layer_types[std::size_t(layer)] == "sliding_attention";
  if (use_sliding_window && slides && sliding_window.value_or(0) > 0) o.visible = visibility::window(*sliding_window);
  return o;
}

HFT_INLINE TokenModelOptions<> Qwen2MoeConfig::text_model() const {
  auto o = decoder_model(*this, class_prefix, {.size = hidden_size, .eps = rms_norm_eps});
  for (auto& layer : o.layers)
    if (sparse(layer.attention.layer))
      layer.mlp.experts = experts(moe_intermediate_size, shared_expert_intermediate_size);
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
