// What llama.cpp calls the tensors of a decoder, and what its files say of one beside the fields of a config.
#pragma once
#include <algorithm>
#include <array>
#include <iterator>
#include <vector>

#include <hft/io/gguf.hpp>
#include <hft/layers/rope_scaling.hpp>
#include <hft/linkage.hpp>
#include <hft/name_rules.hpp>
#include <hft/quantization/convert.hpp>

namespace hft {

inline constexpr name_rule gguf_decoder_names[] = {
    {"model.embed_tokens", "token_embd"},
    {"model.layers.*.input_layernorm", "blk.*.attn_norm"},
    {"model.layers.*.self_attn.q_proj", "blk.*.attn_q", stored_as::rope_pairs},
    {"model.layers.*.self_attn.k_proj", "blk.*.attn_k", stored_as::rope_pairs},
    {"model.layers.*.self_attn.v_proj", "blk.*.attn_v"},
    {"model.layers.*.self_attn.o_proj", "blk.*.attn_output"},
    {"model.layers.*.self_attn.q_norm", "blk.*.attn_q_norm"},
    {"model.layers.*.self_attn.k_norm", "blk.*.attn_k_norm"},
    {"model.layers.*.post_attention_layernorm", "blk.*.ffn_norm"},
    {"model.layers.*.mlp.gate_proj", "blk.*.ffn_gate"},
    {"model.layers.*.mlp.up_proj", "blk.*.ffn_up"},
    {"model.layers.*.mlp.down_proj", "blk.*.ffn_down"},
    {"model.norm", "output_norm"},
    {"lm_head", "output"}};

/// The same and others before them.
template <std::size_t N>
constexpr auto gguf_decoder_names_and(const name_rule (&others)[N]) {
  std::array<name_rule, N + std::size(gguf_decoder_names)> all{};
  std::copy(std::begin(gguf_decoder_names), std::end(gguf_decoder_names), std::copy(others, others + N, all.begin()));
  return all;
}

/// The size of the vocabulary, ties and rotary frequencies, which the metadata does not say, or says in llama.cpp's own
/// way. Throws weight_error for a file without token embeddings.
void complete_decoder_from(const gguf_file& file, isize& vocab_size, bool& tie_word_embeddings, RopeParameters& rope);

#if HFT_DEFINES(MODELS)

HFT_INLINE void complete_decoder_from(const gguf_file& file, isize& vocab_size, bool& tie_word_embeddings,
                                      RopeParameters& rope) {
  const auto prefix = std::string(file.at("general.architecture").as_string()) + ".rope.";
  rope.rope_theta = file.get<f64>(prefix + "freq_base", rope.rope_theta);
  const auto* scaling = file.find(prefix + "scaling.type");
  if (scaling && scaling->as_string() != "none") {
    rope.rope_type = short_string(scaling->as_string());
    rope.factor = file.get<f64>(prefix + "scaling.factor", 1.0);
  }
  // llama.cpp computes llama3's and longrope's frequency factors when it converts; they are a longrope without its
  // scale.
  if (const auto* factors = file.find_tensor("rope_freqs.weight")) {
    std::vector<f32> values(std::size_t(factors->numel()));
    convert(dtype_id::f32, values.data(), factors->dtype, factors->bytes.data(), factors->numel());
    rope.rope_type = "longrope";
    rope.short_factor.assign(values.begin(), values.end());
    rope.long_factor = rope.short_factor;
    rope.attention_factor = 1;
  }
  const auto* embeddings = file.find_tensor("token_embd.weight");
  if (!embeddings || embeddings->shape.size() != 2)
    throw weight_error(file.where(), "tensor 'token_embd.weight'", "a matrix (vocabulary, hidden)");
  vocab_size = embeddings->shape[0];
  tie_word_embeddings = !file.find_tensor("output.weight");
}

#endif  // HFT_DEFINES

}  // namespace hft
