// BitNet b1.58: Llama with a norm of what the last layer of attention and that of the MLP see, and a squared ReLU.
// Ma et al. 2024, arXiv 2402.17764; 2025, arXiv 2504.12285. transformers/models/bitnet/modeling_bitnet.py
#pragma once
#include <hft/models/llama.hpp>

namespace hft {

/// transformers.BitNetConfig; fields have its names and defaults.
struct BitNetConfig : DecoderConfig {
  f64 rms_norm_eps = 1e-5;
  bool attention_bias = false;

  static constexpr const char* model_type = "bitnet";
  static constexpr const char* class_prefix = "BitNet";
  static constexpr name_rule rules[] = {{"layers.*.self_attn.sub_norm", "layers.*.self_attn.attn_sub_norm"},
                                        {"layers.*.mlp.sub_norm", "layers.*.mlp.ffn_sub_norm"}};
  static constexpr auto gguf_names =
      gguf_decoder_names_and({{"model.layers.*.self_attn.sub_norm", "blk.*.attn_sub_norm"},
                              {"model.layers.*.mlp.sub_norm", "blk.*.ffn_sub_norm"}});
  static constexpr name_tables names{.rules = rules, .gguf = gguf_names, .gguf_pairs = false};

  BitNetConfig();
  void fields(field_visitor& v);
  void check() const { check_decoder(*this, model_type); }

  /// llama.cpp computes what it calls BitNet with a SiLU, as the first models were.
  void complete_from(const gguf_file& file) {
    DecoderConfig::complete_from(file);
    hidden_act = "silu";
  }
  AttentionOptions attention(isize layer) const;
  TokenModelOptions<> text_model() const;
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BitNetModel = DecoderModel<BitNetConfig, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using BitNetForCausalLM = CausalLM<BitNetConfig, LlamaBlock, RMSNorm, build<W, D, L, S>>;

struct bitnet : architecture<BitNetConfig, BitNetModel, BitNetForCausalLM> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE BitNetConfig::BitNetConfig() {
  vocab_size = 128256;
  hidden_size = 2560;
  intermediate_size = 6912;
  num_hidden_layers = 30;
  num_attention_heads = 20;
  num_key_value_heads = 5;
  hidden_act = "relu2";
  bos_token_id = 128000;
  eos_token_id = 128001;
  rope_parameters.rope_theta = 5e5;
}

HFT_INLINE void BitNetConfig::fields(field_visitor& v) {
  DecoderConfig::fields(v);
  v("rms_norm_eps", rms_norm_eps, v.not_negative.gguf("attention.layer_norm_rms_epsilon"));
  v("attention_bias", attention_bias);
}

HFT_INLINE AttentionOptions BitNetConfig::attention(isize layer) const {
  AttentionOptions o = decoder_attention(*this, layer);
  o.bias = o.output_bias = attention_bias;
  o.sub_norm = rms_norm_eps;
  return o;
}

HFT_INLINE TokenModelOptions<> BitNetConfig::text_model() const {
  auto o = decoder_model(*this, class_prefix, {.size = hidden_size, .eps = rms_norm_eps});
  for (auto& layer : o.layers) layer.mlp.sub_norm = rms_norm_eps;
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
