// SparseConfig: what the configs of decoders share whose MLPs are mixtures of experts on some layers.
#pragma once
#include <algorithm>
#include <vector>

#include <hft/layers/experts.hpp>
#include <hft/models/decoder_config.hpp>

namespace hft {

/// Fields have the names that Qwen2-MoE and most after it give them.
struct SparseConfig : DecoderConfig {
  f64 rms_norm_eps = 1e-6;
  isize num_experts = 60, num_experts_per_tok = 4;
  bool norm_topk_prob = false;  // whether a token's weights sum to 1
  bool output_router_logits = false;
  f64 router_aux_loss_coef = 0.001;

  void fields(field_visitor& v);
  /// The loss of the routers is a part of the loss where the router's logits are an output.
  LMHeadOptions lm_head() const {
    auto o = DecoderConfig::lm_head();
    if (output_router_logits) o.router_aux_loss = router_aux_loss_coef;
    o.experts_per_token = num_experts_per_tok;
    return o;
  }
  /// Where there is a shared size, beside an expert of that width that all tokens see, each by a share of its own.
  ExpertsOptions experts(isize intermediate_size, isize shared_size = 0) const {
    return {.count = num_experts,
            .per_token = num_experts_per_tok,
            .intermediate_size = intermediate_size,
            .normalised = norm_topk_prob,
            .shared_size = shared_size,
            .shared_gate = shared_size > 0};
  }
};

/// Which layers have experts: each decoder_sparse_step-th that is not in mlp_only_layers.
struct SparseLayers {
  isize decoder_sparse_step = 1;
  std::vector<isize> mlp_only_layers = {};

  void fields(field_visitor& v) {
    v("decoder_sparse_step", decoder_sparse_step, v.extent);
    v("mlp_only_layers", mlp_only_layers);
  }
  bool operator()(isize layer) const {
    const auto& dense = mlp_only_layers;
    return (layer + 1) % decoder_sparse_step == 0 && std::find(dense.begin(), dense.end(), layer) == dense.end();
  }
};

template <class B>
using SparseBlock = TransformerBlock<RMSNorm<B>, SelfAttention<B, rope>, SparseMLP<B>>;

#if HFT_DEFINES(MODELS)

HFT_INLINE void SparseConfig::fields(field_visitor& v) {
  DecoderConfig::fields(v);
  v("rms_norm_eps", rms_norm_eps, v.not_negative.gguf("attention.layer_norm_rms_epsilon"));
  v("num_experts", num_experts, v.extent.also("num_local_experts").gguf("expert_count"));
  v("num_experts_per_tok", num_experts_per_tok, v.extent.gguf("expert_used_count"));
  v("norm_topk_prob", norm_topk_prob);
  v("output_router_logits", output_router_logits);
  v("router_aux_loss_coef", router_aux_loss_coef);
}

#endif  // HFT_DEFINES

}  // namespace hft
