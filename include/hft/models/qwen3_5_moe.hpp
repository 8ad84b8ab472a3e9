// Qwen3.5-MoE over text: Qwen3.5 whose MLPs are mixtures of experts beside one that all tokens see.
// Qwen Team 2026; Yang et al. 2024, arXiv 2412.06464. transformers/models/qwen3_5_moe/modeling_qwen3_5_moe.py
#pragma once
#include <hft/io/gguf_writer.hpp>
#include <hft/models/qwen3_5.hpp>
#include <hft/models/qwen3_next.hpp>

namespace hft {

/// transformers.Qwen3_5MoeTextConfig; fields have its names and defaults. A token's weights always sum to 1, and there
/// is no MLP of intermediate_size.
struct Qwen3_5MoeTextConfig : SparseConfig {
  bool attention_bias = false;  // of full attention
  DeltaLayers delta{};
  isize moe_intermediate_size = 512;            // of each expert
  isize shared_expert_intermediate_size = 512;  // of the one that all tokens see

  static constexpr const char* model_type = "qwen3_5_moe_text";
  static constexpr const char* class_prefix = "Qwen3_5Moe";
  static constexpr std::pair<std::string_view, std::string_view> class_suffixes[] = {{"Model", "TextModel"}};
  static constexpr name_tables names{.rules = rules,
                                     .gguf = gguf_delta_names,
                                     .gguf_stacks = gguf_expert_stacks,
                                     .gguf_pairs = false,
                                     .gguf_architecture = "qwen35moe",
                                     .ignored = Qwen3_5TextConfig::ignored,
                                     .class_suffixes = class_suffixes};

  Qwen3_5MoeTextConfig();
  void fields(field_visitor& v);
  void check() const;

  void complete_from(const gguf_file& file) {
    DecoderConfig::complete_from(file);
    if (!rope_parameters.partial_rotary_factor) rope_parameters.partial_rotary_factor = 1;  // all of a head
    delta.complete_from(file);
  }
  void complete_in(gguf_keys& keys) const {
    delta.complete_in(keys, num_hidden_layers);
    keys.numbers("rope.dimension_sections", gguf_rope_sections(rope_parameters));
  }
  std::vector<row_parts> gguf_parts(std::string_view path) const { return delta.gguf_parts(path); }
  AttentionOptions attention(isize layer) const { return delta.attention(*this, layer, false); }
  TokenModelOptions<> text_model() const;
  bool initialise(std::string_view path, const std::vector<isize>&, const random_stream& random,
                  std::vector<f32>& values) const {
    return DeltaLayers::initialise(path, random, values);
  }
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Qwen3_5MoeTextModel = DecoderModel<Qwen3_5MoeTextConfig, HybridBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Qwen3_5MoeForCausalLM = CausalLM<Qwen3_5MoeTextConfig, HybridBlock, RMSNorm, build<W, D, L, S>>;

struct qwen3_5_moe_text : architecture<Qwen3_5MoeTextConfig, Qwen3_5MoeTextModel, Qwen3_5MoeForCausalLM> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE Qwen3_5MoeTextConfig::Qwen3_5MoeTextConfig() {
  vocab_size = 248320;
  hidden_size = 2048;
  num_hidden_layers = 40;
  num_attention_heads = 16;
  num_key_value_heads = 2;
  max_position_embeddings = 32768;
  bos_token_id = {};
  head_dim = 256;
  num_experts = 256;
  num_experts_per_tok = 8;
  norm_topk_prob = true;
}

HFT_INLINE void Qwen3_5MoeTextConfig::fields(field_visitor& v) {
  SparseConfig::fields(v);
  v("attention_bias", attention_bias);
  delta.fields(v);
  v("moe_intermediate_size", moe_intermediate_size, v.extent.gguf("expert_feed_forward_length"));
  v("shared_expert_intermediate_size", shared_expert_intermediate_size,
    v.extent.gguf("expert_shared_feed_forward_length"));
}

HFT_INLINE void Qwen3_5MoeTextConfig::check() const {
  delta.check(num_hidden_layers, model_type);
  check_decoder(*this, model_type);
  check_experts(num_experts, num_experts_per_tok, model_type);
}

HFT_INLINE TokenModelOptions<> Qwen3_5MoeTextConfig::text_model() const {
  auto o = DeltaLayers::model(*this);
  for (auto& layer : o.layers) layer.mlp.experts = experts(moe_intermediate_size, shared_expert_intermediate_size);
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
