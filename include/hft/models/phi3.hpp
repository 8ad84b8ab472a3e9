// Phi-3 and Phi-4: Llama with fused projections, and generation that begins anew where longrope takes other factors.
// Abdin et al. 2024, arXiv 2404.14219. transformers/models/phi3/modeling_phi3.py
#pragma once
#include <hft/layers/fused_attention.hpp>
#include <hft/models/llama.hpp>

namespace hft {

/// transformers.Phi3Config; fields have its names and defaults.
struct Phi3Config : DecoderConfig {
  f64 resid_pdrop = 0;
  f64 embd_pdrop = 0;                             // has no effect, as there
  isize original_max_position_embeddings = 4096;  // the length up to which longrope takes its short factors
  f64 rms_norm_eps = 1e-5;
  std::optional<isize> sliding_window = {};  // keys that a query sees, itself included; none: all

  static constexpr const char* model_type = "phi3";
  static constexpr const char* class_prefix = "Phi3";
  static constexpr name_tables names{
      .rules = rules, .gguf = gguf_gate_up_names, .gguf_pairs = false, .ignored = LlamaConfig::ignored};

  Phi3Config();
  void fields(field_visitor& v);
  void check() const;

  bool long_rope() const { return rope_parameters.rope_type.view() != "default"; }
  RopeScaling rope() const;
  AttentionOptions attention(isize layer) const;
  TokenModelOptions<> text_model() const;
};

template <class B>
using Phi3Block = PreNormBlock<RMSNorm<B>, FusedSelfAttention<B, hft::rope>, FusedGatedMLP<B>>;

template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Phi3Model = DecoderModel<Phi3Config, Phi3Block, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Phi3ForCausalLM = CausalLM<Phi3Config, Phi3Block, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Phi3ForSequenceClassification =
    DecoderForSequenceClassification<Phi3Config, Phi3Block, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Phi3ForTokenClassification = DecoderForTokenClassification<Phi3Config, Phi3Block, RMSNorm, build<W, D, L, S>>;

struct phi3
    : architecture<Phi3Config, Phi3Model, Phi3ForCausalLM, Phi3ForSequenceClassification, Phi3ForTokenClassification> {
};

#if HFT_DEFINES(MODELS)

HFT_INLINE Phi3Config::Phi3Config() {
  vocab_size = 32064;
  hidden_size = 3072;
  intermediate_size = 8192;
  max_position_embeddings = 4096;
  eos_token_id = 32000;
  pad_token_id = 32000;
}

HFT_INLINE void Phi3Config::fields(field_visitor& v) {
  DecoderConfig::fields(v);
  v("resid_pdrop", resid_pdrop, v.rate);
  v("embd_pdrop", embd_pdrop, v.rate);
  v("original_max_position_embeddings", original_max_position_embeddings, v.extent);
  v("rms_norm_eps", rms_norm_eps, v.not_negative.gguf("attention.layer_norm_rms_epsilon"));
  v("sliding_window", sliding_window, v.extent.gguf("attention.sliding_window"));
}

HFT_INLINE void Phi3Config::check() const {
  const auto type = rope_parameters.rope_type.view();
  if (type != "default" && type != "longrope" && type != "su" && type != "yarn")
    throw config_error(model_type, "rope_type", "default or longrope", detail::quote_text(type));
  check_decoder(*this, model_type);
}

HFT_INLINE RopeScaling Phi3Config::rope() const {
  RopeParameters p = rope_parameters;
  if (long_rope()) {
    p.rope_type = "longrope";  // which older files call su or yarn
    p.original_max_position_embeddings = original_max_position_embeddings;
  }
  return rope_of(p);
}

HFT_INLINE AttentionOptions Phi3Config::attention(isize layer) const {
  AttentionOptions o = decoder_attention(*this, layer);
  if (sliding_window) o.visible = visibility::window(*sliding_window);
  return o;
}

HFT_INLINE TokenModelOptions<> Phi3Config::text_model() const {
  auto o = decoder_model(*this, class_prefix, {.size = hidden_size, .eps = rms_norm_eps});
  for (auto& layer : o.layers) layer.dropout = resid_pdrop;
  if (long_rope()) o.cache_renewed_after = original_max_position_embeddings;
  return o;
}

#endif  // HFT_DEFINES

}  // namespace hft
