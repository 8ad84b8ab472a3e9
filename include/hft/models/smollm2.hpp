// SmolLM2's published shapes as types, for specialised builds: LlamaForCausalLM<q4_1, cpu, plain, fixed<smollm2_135m>>.
// Allal et al. 2025, arXiv 2502.02737. The architecture is Llama's.
#pragma once
#include <hft/models/llama.hpp>

namespace hft {

/// HuggingFaceTB/SmolLM2-135M and SmolLM2-135M-Instruct.
struct smollm2_135m {
  static constexpr LlamaConfig config{
      .vocab_size = 49152,
      .hidden_size = 576,
      .intermediate_size = 1536,
      .num_hidden_layers = 30,
      .num_attention_heads = 9,
      .num_key_value_heads = 3,
      .max_position_embeddings = 8192,
      .rms_norm_eps = 1e-5,
      .tie_word_embeddings = true,
      .rope_parameters = {.rope_theta = 100000},
  };
};

}  // namespace hft
