// Apertus: Llama with normalised queries and keys, and an MLP that is not gated, whose activation has parameters.
// Swiss AI Initiative 2025, arXiv 2509.14233. transformers/models/apertus/modeling_apertus.py
#pragma once
#include <hft/layers/xielu.hpp>
#include <hft/models/llama.hpp>

namespace hft {

/// transformers.ApertusConfig; fields have its names and defaults.
struct ApertusConfig : DecoderConfig {
  f64 rms_norm_eps = 1e-5;
  bool attention_bias = false;

  static constexpr const char* model_type = "apertus";
  static constexpr const char* class_prefix = "Apertus";

  ApertusConfig();
  void fields(field_visitor& v);
  void check() const { check_decoder(plain(), model_type); }

  AttentionOptions attention(isize layer) const;
  TokenModelOptions<> text_model() const;
  bool initialise(std::string_view path, const std::vector<isize>&, const random_stream&,
                  std::vector<f32>& values) const;
  f64 token_dropout() const { return 0.1; }

  static constexpr name_rule rules[] = {{"layers.*.input_layernorm", "layers.*.attention_layernorm"},
                                        {"layers.*.post_attention_layernorm", "layers.*.feedforward_layernorm"},
                                        {"classifier", "score"}};
  static constexpr value_rule gguf_values[] = {{"model.layers.*.mlp.act_fn.alpha_p", "xielu.alpha_p"},
                                               {"model.layers.*.mlp.act_fn.alpha_n", "xielu.alpha_n"},
                                               {"model.layers.*.mlp.act_fn.beta", "xielu.beta"},
                                               {"model.layers.*.mlp.act_fn.eps", "xielu.eps"}};
  static constexpr name_tables names{.rules = rules,
                                     .gguf = gguf_decoder_names,
                                     .gguf_values = gguf_values,
                                     .gguf_pairs = false,
                                     .ignored = LlamaConfig::ignored};

 private:
  bool xielu() const { return hidden_act.view() == "xielu"; }
  /// With an activation that has no parameters.
  ApertusConfig plain() const {
    ApertusConfig c = *this;
    if (xielu()) c.hidden_act = "linear";
    return c;
  }
};

template <class B>
using ApertusBlock = TransformerBlock<RMSNorm<B>, SelfAttention<B, rope>, TrainedMLP<B>>;

template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ApertusModel = DecoderModel<ApertusConfig, ApertusBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ApertusForCausalLM = CausalLM<ApertusConfig, ApertusBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ApertusForTokenClassification =
    DecoderForTokenClassification<ApertusConfig, ApertusBlock, RMSNorm, build<W, D, L, S>>;

struct apertus : architecture<ApertusConfig, ApertusModel, ApertusForCausalLM, ApertusForTokenClassification> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE ApertusConfig::ApertusConfig() {
  vocab_size = 131072;
  intermediate_size = 14336;
  hidden_act = "xielu";
  max_position_embeddings = 65536;
  pad_token_id = 3;
  eos_token_id = 2;
  rope_parameters = {.rope_type = "llama3",
                     .rope_theta = 12e6,
                     .factor = 8,
                     .original_max_position_embeddings = 8192,
                     .low_freq_factor = 1,
                     .high_freq_factor = 4};
}

HFT_INLINE void ApertusConfig::fields(field_visitor& v) {
  DecoderConfig::fields(v);
  v("rms_norm_eps", rms_norm_eps, v.not_negative.gguf("attention.layer_norm_rms_epsilon"));
  v("attention_bias", attention_bias);
}

HFT_INLINE AttentionOptions ApertusConfig::attention(isize layer) const {
  AttentionOptions o = decoder_attention(*this, layer);
  o.bias = o.output_bias = attention_bias;
  o.qk_norm = QKNormOptions{.eps = rms_norm_eps};
  return o;
}

HFT_INLINE TokenModelOptions<> ApertusConfig::text_model() const {
  auto o = decoder_model(plain(), class_prefix, {.size = hidden_size, .eps = rms_norm_eps});
  for (auto& layer : o.layers) layer.mlp.xielu = xielu();
  return o;
}

HFT_INLINE bool ApertusConfig::initialise(std::string_view path, const std::vector<isize>&, const random_stream&,
                                          std::vector<f32>& values) const {
  for (const auto& [name, value] : {std::pair{"act_fn.alpha_p", std::log(std::expm1(0.8))},
                                    std::pair{"act_fn.alpha_n", std::log(std::expm1(0.8 - 0.5))},
                                    std::pair{"act_fn.beta", 0.5}, std::pair{"act_fn.eps", -1e-6}})
    if (path.ends_with(name)) {
      values.assign(1, f32(value));
      return true;
    }
  return false;
}

#endif  // HFT_DEFINES

}  // namespace hft
