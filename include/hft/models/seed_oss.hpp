// Seed-OSS: Llama with wider heads, biases of queries, keys and values, and dropout.
// transformers/models/seed_oss/modeling_seed_oss.py
#pragma once
#include <hft/models/llama.hpp>

namespace hft {

/// transformers.SeedOssConfig; fields have its names and defaults.
struct SeedOssConfig : LlamaConfig {
  bool attention_out_bias = false;
  f64 residual_dropout = 0.1;

  static constexpr const char* model_type = "seed_oss";
  static constexpr const char* class_prefix = "SeedOss";
  static constexpr name_tables names{.question_answering_prefix = "transformer",
                                     .rules = rules,
                                     .gguf = gguf_second_norm_names,
                                     .gguf_pairs = false,
                                     .ignored = LlamaConfig::ignored};

  SeedOssConfig();
  void fields(field_visitor& v);
  TokenModelOptions<> text_model() const;
  f64 token_dropout() const { return 0.1; }
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using SeedOssModel = DecoderModel<SeedOssConfig, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using SeedOssForCausalLM = CausalLM<SeedOssConfig, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using SeedOssForSequenceClassification =
    DecoderForSequenceClassification<SeedOssConfig, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using SeedOssForTokenClassification =
    DecoderForTokenClassification<SeedOssConfig, LlamaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using SeedOssForQuestionAnswering = DecoderForQuestionAnswering<SeedOssConfig, LlamaBlock, RMSNorm, build<W, D, L, S>>;

struct seed_oss : architecture<SeedOssConfig, SeedOssModel, SeedOssForCausalLM, SeedOssForSequenceClassification,
                               SeedOssForTokenClassification, SeedOssForQuestionAnswering> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE SeedOssConfig::SeedOssConfig() {
  vocab_size = 155136;
  intermediate_size = 27648;
  num_hidden_layers = 64;
  num_attention_heads = 80;
  num_key_value_heads = 8;
  head_dim = 128;
  max_position_embeddings = 524288;
  pad_token_id = 1;
  bos_token_id = 0;
  eos_token_id = 2;
  attention_bias = true;
  attention_dropout = 0.1;
}

HFT_INLINE void SeedOssConfig::fields(field_visitor& v) {
  LlamaConfig::fields(v);
  v("attention_out_bias", attention_out_bias);
  v("residual_dropout", residual_dropout, v.rate);
}

HFT_INLINE TokenModelOptions<> SeedOssConfig::text_model() const {
  auto o = LlamaConfig::text_model();
  o.where = class_prefix;
  for (auto& layer : o.layers) {
    layer.attention.output_bias = attention_out_bias;
    layer.dropout = residual_dropout;
  }
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
