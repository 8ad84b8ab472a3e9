// Qwen3.5 over text: Qwen3-Next with dense MLPs, whose gated delta rule has its projections apart.
// Qwen Team 2026; Yang et al. 2024, arXiv 2412.06464. transformers/models/qwen3_5/modeling_qwen3_5.py
#pragma once
#include <hft/io/gguf_writer.hpp>
#include <hft/models/delta_layers.hpp>

namespace hft {

/// transformers.Qwen3_5TextConfig; fields have its names and defaults. Of text the three positions that rotary angles
/// have by mrope_section are one.
struct Qwen3_5TextConfig : DecoderConfig {
  f64 rms_norm_eps = 1e-6;
  bool attention_bias = false;  // of full attention
  DeltaLayers delta{};

  static constexpr const char* model_type = "qwen3_5_text";
  static constexpr const char* class_prefix = "Qwen3_5";
  static constexpr std::pair<std::string_view, std::string_view> class_suffixes[] = {
      {"Model", "TextModel"}, {"ForSequenceClassification", "TextForSequenceClassification"}};
  // Of the layers that predict further tokens, and of images.
  static constexpr std::string_view ignored[] = {"mtp.*", "model.visual.*"};
  static constexpr name_tables names{.rules = rules,
                                     .gguf = gguf_delta_names,
                                     .gguf_pairs = false,
                                     .gguf_architecture = "qwen35",
                                     .ignored = ignored,
                                     .class_suffixes = class_suffixes};

  Qwen3_5TextConfig();
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
  TokenModelOptions<> text_model() const { return DeltaLayers::model(*this); }
  bool initialise(std::string_view path, const std::vector<isize>&, const random_stream& random,
                  std::vector<f32>& values) const {
    return DeltaLayers::initialise(path, random, values);
  }
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Qwen3_5TextModel = DecoderModel<Qwen3_5TextConfig, HybridBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Qwen3_5ForCausalLM = CausalLM<Qwen3_5TextConfig, HybridBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Qwen3_5TextForSequenceClassification =
    DecoderForSequenceClassification<Qwen3_5TextConfig, HybridBlock, RMSNorm, build<W, D, L, S>>;

struct qwen3_5_text
    : architecture<Qwen3_5TextConfig, Qwen3_5TextModel, Qwen3_5ForCausalLM, Qwen3_5TextForSequenceClassification> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE Qwen3_5TextConfig::Qwen3_5TextConfig() {
  vocab_size = 248320;
  intermediate_size = 12288;
  num_attention_heads = 16;
  num_key_value_heads = 4;
  max_position_embeddings = 32768;
  bos_token_id = {};
  head_dim = 256;
}

HFT_INLINE void Qwen3_5TextConfig::fields(field_visitor& v) {
  DecoderConfig::fields(v);
  v("rms_norm_eps", rms_norm_eps, v.not_negative.gguf("attention.layer_norm_rms_epsilon"));
  v("attention_bias", attention_bias);
  delta.fields(v);
}

HFT_INLINE void Qwen3_5TextConfig::check() const {
  delta.check(num_hidden_layers, model_type);
  check_decoder(*this, model_type);
}

#endif  // HFT_DEFINES

}  // namespace hft
