// jina-embeddings-v3: XLM-RoBERTa with rotary positions. Sturua et al. 2024, arXiv 2409.10173.
// transformers/models/jina_embeddings_v3/modeling_jina_embeddings_v3.py
#pragma once
#include <hft/models/roberta.hpp>
#include <hft/models/rotary_encoder.hpp>

namespace hft {

/// transformers.JinaEmbeddingsV3Config; fields have its names and defaults.
struct JinaEmbeddingsV3Config : RotaryEncoderConfig {
  static constexpr const char* model_type = "jina_embeddings_v3";
  static constexpr const char* class_prefix = "JinaEmbeddingsV3";

  JinaEmbeddingsV3Config();
  void check() const { RotaryEncoderConfig::check(model_type); }
  TextModelOptions<> text_model() const {
    auto o = RotaryEncoderConfig::text_model("JinaEmbeddingsV3Model");
    o.pooler = PoolerOptions{hidden_size};
    return o;
  }
  MaskedLMHeadOptions masked_lm_head() const {
    auto o = EncoderConfig::masked_lm_head();
    o.activation = Activation::gelu;  // whatever that of the layers is
    return o;
  }

  static constexpr name_rule own_rules[] = {{"embed_tokens", "embeddings.word_embeddings"},
                                            {"embed_token_types", "embeddings.token_type_embeddings"},
                                            {"embed_norm", "emb_ln"},
                                            {"layers.*.self_attn.qkv_proj", "encoder.layers.*.mixer.Wqkv"},
                                            {"layers.*.self_attn.o_proj", "encoder.layers.*.mixer.out_proj"},
                                            {"layers.*.input_layernorm", "encoder.layers.*.norm1"},
                                            {"layers.*.mlp.in_proj", "encoder.layers.*.mlp.fc1"},
                                            {"layers.*.mlp.down_proj", "encoder.layers.*.mlp.fc2"},
                                            {"layers.*.post_attention_layernorm", "encoder.layers.*.norm2"}};
  static constexpr auto rules = joined_rules(own_rules, RobertaConfig::head_rules);
  static constexpr std::string_view ignored[] = {"*inv_freq"};
  static constexpr name_rule gguf_mlp_names[] = {{"model.layers.*.mlp.in_proj", "blk.*.ffn_up"}};
  static constexpr auto gguf_names = joined_rules(gguf_mlp_names, RotaryEncoderConfig::gguf_names);
  static constexpr name_tables names{.base_model_prefix = "roberta",
                                     .rules = rules,
                                     .gguf = gguf_names,
                                     .gguf_architecture = "jina-bert-v3",
                                     .gguf_class = "Model",
                                     .ignored = ignored,
                                     .may_be_left = RobertaConfig::may_be_left};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using JinaEmbeddingsV3Model = PreTrainedModel<JinaEmbeddingsV3Config, RotaryEncoder<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using JinaEmbeddingsV3ForMaskedLM =
    PreTrainedModel<JinaEmbeddingsV3Config, ForMaskedLM<RotaryEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using JinaEmbeddingsV3ForSequenceClassification =
    PreTrainedModel<JinaEmbeddingsV3Config,
                    ForSequenceClassification<RotaryEncoder<build<W, D, L, S>>, first_token_by_tanh>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using JinaEmbeddingsV3ForTokenClassification =
    PreTrainedModel<JinaEmbeddingsV3Config, ForTokenClassification<RotaryEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using JinaEmbeddingsV3ForQuestionAnswering =
    PreTrainedModel<JinaEmbeddingsV3Config, ForQuestionAnswering<RotaryEncoder<build<W, D, L, S>>>>;

struct jina_embeddings_v3 : architecture<JinaEmbeddingsV3Config, JinaEmbeddingsV3Model, JinaEmbeddingsV3ForMaskedLM,
                                         JinaEmbeddingsV3ForSequenceClassification,
                                         JinaEmbeddingsV3ForTokenClassification, JinaEmbeddingsV3ForQuestionAnswering> {
};

#if HFT_DEFINES(MODELS)

HFT_INLINE JinaEmbeddingsV3Config::JinaEmbeddingsV3Config() {
  vocab_size = 250002;
  hidden_size = 1024;
  num_hidden_layers = 24;
  num_attention_heads = 16;
  intermediate_size = 4096;
  max_position_embeddings = 8194;
  type_vocab_size = 1;
  layer_norm_eps = 1e-5;
  pad_token_id = 1;
  bos_token_id = 0;
  eos_token_id = 2;
  rope_parameters.rope_theta = 20000;
}

#endif  // HFT_DEFINES

}  // namespace hft
