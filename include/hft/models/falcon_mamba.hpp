// FalconMamba: Mamba that normalises B, C and what time steps come of, without weights.
// Zuo et al. 2024, arXiv 2410.05355. transformers/models/falcon_mamba/modeling_falcon_mamba.py
#pragma once
#include <hft/io/gguf_writer.hpp>
#include <hft/models/mamba.hpp>

namespace hft {

/// transformers.FalconMambaConfig; fields have its names and defaults.
struct FalconMambaConfig : MambaConfig {
  f64 mixer_rms_eps = 1e-6;

  static constexpr const char* model_type = "falcon_mamba";
  static constexpr const char* class_prefix = "FalconMamba";

  void fields(field_visitor& v);
  void check() const { check_mamba(*this, model_type); }

  TextModelOptions<ResidualBlockOptions<MambaMixerOptions>> text_model() const;
  void complete_in(gguf_keys& keys) const {
    MambaConfig::complete_in(keys);
    keys.flag("ssm.dt_b_c_rms", true);
  }

  static constexpr name_tables names{.base_model_prefix = "backbone",
                                     .rules = rules,
                                     .gguf = gguf_names,
                                     .gguf_architecture = "mamba",
                                     .gguf_told = gguf_normalises_steps};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using FalconMambaModel = DecoderModel<FalconMambaConfig, MambaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using FalconMambaForCausalLM = CausalLM<FalconMambaConfig, MambaBlock, RMSNorm, build<W, D, L, S>>;

struct falcon_mamba : architecture<FalconMambaConfig, FalconMambaModel, FalconMambaForCausalLM> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void FalconMambaConfig::fields(field_visitor& v) {
  MambaConfig::fields(v);
  v("mixer_rms_eps", mixer_rms_eps, v.not_negative);
}

HFT_INLINE TextModelOptions<ResidualBlockOptions<MambaMixerOptions>> FalconMambaConfig::text_model() const {
  auto o = mixer();
  o.norm_eps = mixer_rms_eps;
  o.norm_weights = false;
  return mamba_model(*this, class_prefix, o);
}

#endif  // HFT_DEFINES

}  // namespace hft
