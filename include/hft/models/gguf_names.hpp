// What llama.cpp calls the tensors of a decoder, and what its files say of one beside the fields of a config.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <hft/io/gguf.hpp>
#include <hft/layers/rope_scaling.hpp>
#include <hft/linkage.hpp>
#include <hft/name_rules.hpp>
#include <hft/quantization/convert.hpp>

namespace hft {

/// Of a decoder of the stock blocks, by its modules' paths, so that one table serves whatever safetensors call them.
inline constexpr name_rule gguf_decoder_names[] = {
    {"model.embed_tokens", "token_embd"},
    {"model.embed_norm", "token_embd_norm"},
    {"model.embed_positions", "position_embd"},
    {"model.layers.*.input_layernorm", "blk.*.attn_norm"},
    {"model.layers.*.self_attn.q_proj", "blk.*.attn_q", stored_as::rope_pairs},
    {"model.layers.*.self_attn.k_proj", "blk.*.attn_k", stored_as::rope_pairs},
    {"model.layers.*.self_attn.v_proj", "blk.*.attn_v"},
    {"model.layers.*.self_attn.qkv_proj", "blk.*.attn_qkv"},
    {"model.layers.*.self_attn.o_proj", "blk.*.attn_output"},
    {"model.layers.*.self_attn.q_norm", "blk.*.attn_q_norm"},
    {"model.layers.*.self_attn.k_norm", "blk.*.attn_k_norm"},
    {"model.layers.*.self_attn.sinks", "blk.*.attn_sinks.weight"},
    {"model.layers.*.post_self_attn_layernorm", "blk.*.post_attention_norm"},
    {"model.layers.*.post_attention_layernorm", "blk.*.ffn_norm"},
    {"model.layers.*.mlp.gate_proj", "blk.*.ffn_gate"},
    {"model.layers.*.mlp.up_proj", "blk.*.ffn_up"},
    {"model.layers.*.mlp.down_proj", "blk.*.ffn_down"},
    {"model.layers.*.mlp.gate", "blk.*.ffn_gate_inp"},
    {"model.layers.*.mlp.e_score_correction_bias", "blk.*.exp_probs_b.bias"},
    {"model.layers.*.mlp.shared_expert.gate_proj", "blk.*.ffn_gate_shexp"},
    {"model.layers.*.mlp.shared_expert.up_proj", "blk.*.ffn_up_shexp"},
    {"model.layers.*.mlp.shared_expert.down_proj", "blk.*.ffn_down_shexp"},
    {"model.layers.*.mlp.shared_expert_gate", "blk.*.ffn_gate_inp_shexp"},
    {"model.layers.*.post_mlp_layernorm", "blk.*.post_ffw_norm"},
    {"model.norm", "output_norm"},
    {"lm_head", "output"}};

/// Experts, each kind of matrix one tensor.
inline constexpr stack_rule gguf_expert_stacks[] = {
    {"model.layers.*.mlp.experts.*.gate_proj.weight", "blk.*.ffn_gate_exps.weight"},
    {"model.layers.*.mlp.experts.*.gate_proj.bias", "blk.*.ffn_gate_exps.bias"},
    {"model.layers.*.mlp.experts.*.up_proj.weight", "blk.*.ffn_up_exps.weight"},
    {"model.layers.*.mlp.experts.*.up_proj.bias", "blk.*.ffn_up_exps.bias"},
    {"model.layers.*.mlp.experts.*.down_proj.weight", "blk.*.ffn_down_exps.weight"},
    {"model.layers.*.mlp.experts.*.down_proj.bias", "blk.*.ffn_down_exps.bias"}};

/// The same and others before them.
template <std::size_t N>
constexpr auto gguf_decoder_names_and(const name_rule (&others)[N]) {
  return joined_rules(others, gguf_decoder_names);
}

/// Of blocks that normalise what attention and MLP give (norms::after).
inline constexpr auto gguf_post_norm_names =
    gguf_decoder_names_and({{"model.layers.*.input_layernorm", "blk.*.post_attention_norm"},
                            {"model.layers.*.post_attention_layernorm", "blk.*.post_ffw_norm"}});
/// Of those that call the MLP's norm after what it follows.
inline constexpr auto gguf_second_norm_names =
    gguf_decoder_names_and({{"model.layers.*.post_attention_layernorm", "blk.*.post_attention_norm"}});
/// Of blocks with one gated projection for both halves.
inline constexpr auto gguf_gate_up_names =
    gguf_decoder_names_and({{"model.layers.*.mlp.gate_up_proj", "blk.*.ffn_up"}});

/// Of blocks whose fused projection has queries, keys and values group by group.
inline constexpr auto gguf_grouped_names =
    gguf_decoder_names_and({{"model.layers.*.self_attn.qkv_proj", "blk.*.attn_qkv", stored_as::row_parts}});

/// The size of the vocabulary, and ties. Throws weight_error for a file without token embeddings.
void complete_embeddings_from(const gguf_file& file, isize& vocab_size, bool& tie_word_embeddings);
/// The size of the vocabulary, ties and rotary frequencies, which the metadata does not say, or says in llama.cpp's own
/// way. Throws weight_error for a file without token embeddings.
void complete_decoder_from(const gguf_file& file, isize& vocab_size, bool& tie_word_embeddings, RopeParameters& rope);

/// Of norms whose weights are distances from 1, which files have as they are multiplied.
inline constexpr auto gguf_plus_one_names = [] {
  auto all = std::to_array(gguf_decoder_names);
  for (name_rule& rule : all)
    if (rule.ours.ends_with("norm")) rule.stored = stored_as::plus_one;
  return all;
}();

/// The labels of a classifier, where the file has one: by name, or as many as its last layer has rows.
void complete_labels_from(const gguf_file& file, std::vector<std::string>& names);

/// The value of a key below the architecture's name, or null.
const gguf_value* gguf_says(const gguf_file& file, std::string_view key);
/// Its number, or what is said where it has none.
isize gguf_number(const gguf_file& file, std::string_view key, isize otherwise = 0);
/// Whether a file under Llama's name is of mixtures of experts, Mixtral's, or of Llama itself.
inline bool gguf_has_experts(const gguf_file& file) { return gguf_number(file, "expert_count") > 0; }
inline bool gguf_has_no_experts(const gguf_file& file) { return !gguf_has_experts(file); }
/// The width of the MLPs, of which some files' metadata has what the architecture has by default.
std::optional<isize> gguf_mlp_width(const gguf_file& file);
/// Whether a layer has a tensor of this name: blk.*.NAME.
bool gguf_layers_have(const gguf_file& file, std::string_view name);
/// Of each layer whether it has it.
std::vector<bool> gguf_layers_with(const gguf_file& file, std::string_view name);

#if HFT_DEFINES(MODELS)

HFT_INLINE_ONCE const gguf_value* gguf_says(const gguf_file& file, std::string_view key) {
  return file.find(detail::cat(file.at("general.architecture").as_string(), ".", key));
}

HFT_INLINE_ONCE isize gguf_number(const gguf_file& file, std::string_view key, isize otherwise) {
  const auto* value = gguf_says(file, key);
  return value ? isize(value->as_i64()) : otherwise;
}

HFT_INLINE_ONCE void complete_labels_from(const gguf_file& file, std::vector<std::string>& names) {
  constexpr isize most = 1 << 16;
  if (const auto* labels = gguf_says(file, "classifier.output_labels")) {
    names.clear();
    for (const auto name : labels->as_strings()) names.emplace_back(name);
  } else if (const auto* out = file.find_tensor("cls.output.weight"); out && !out->shape.empty()) {
    names.clear();
    for (isize i = 0; i < std::min(out->shape[0], most); ++i) names.push_back(detail::cat("LABEL_", i));
  }
}

HFT_INLINE_ONCE std::optional<isize> gguf_mlp_width(const gguf_file& file) {
  const auto* up = file.find_tensor("blk.0.ffn_up.weight");
  return up && up->shape.size() == 2 ? std::optional<isize>(up->shape[0]) : std::nullopt;
}

HFT_INLINE_ONCE std::vector<bool> gguf_layers_with(const gguf_file& file, std::string_view name) {
  constexpr isize most = 4096;
  std::vector<bool> out(std::size_t(std::clamp<isize>(gguf_number(file, "block_count"), 0, most)));
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = file.find_tensor(detail::cat("blk.", i, ".", name)) != nullptr;
  return out;
}

HFT_INLINE_ONCE bool gguf_layers_have(const gguf_file& file, std::string_view name) {
  const auto with = gguf_layers_with(file, name);
  return std::find(with.begin(), with.end(), true) != with.end();
}

HFT_INLINE_ONCE void complete_decoder_from(const gguf_file& file, isize& vocab_size, bool& tie_word_embeddings,
                                           RopeParameters& rope) {
  const auto read = [&](std::string_view key, auto& to) {
    if (const auto* value = gguf_says(file, key)) to = value->as_f64();
  };
  read("rope.freq_base", rope.rope_theta);
  if (const auto* rotary = gguf_says(file, "rope.dimension_count")) {  // a share of a head, where it is one
    const auto* head = gguf_says(file, "attention.key_length");
    const auto *hidden = gguf_says(file, "embedding_length"), *heads = gguf_says(file, "attention.head_count");
    const i64 size = head                                 ? head->as_i64()
                     : hidden && heads && heads->as_i64() ? hidden->as_i64() / heads->as_i64()
                                                          : 0;
    if (size > 0 && rotary->as_i64() != size) rope.partial_rotary_factor = f64(rotary->as_i64()) / f64(size);
  }
  const auto* scaling = gguf_says(file, "rope.scaling.type");
  if (scaling && scaling->as_string() != "none") {
    rope.rope_type = short_string(scaling->as_string());
    rope.factor = 1;
    read("rope.scaling.factor", rope.factor);
    if (const auto* length = gguf_says(file, "rope.scaling.original_context_length"))
      rope.original_max_position_embeddings = length->as_i64();
    read("rope.scaling.yarn_beta_fast", rope.beta_fast);
    read("rope.scaling.yarn_beta_slow", rope.beta_slow);
  }
  // llama.cpp computes llama3's and longrope's frequency factors when it converts; they are a longrope without its
  // scale.
  if (const auto* factors = file.find_tensor("rope_freqs.weight")) {
    std::vector<f32> values(std::size_t(factors->numel()));
    convert_to_float(dtype_id::f32, values.data(), factors->dtype, factors->bytes.data(), factors->numel());
    rope.rope_type = "longrope";
    rope.short_factor.assign(values.begin(), values.end());
    rope.long_factor = rope.short_factor;
    rope.attention_factor = 1;
  }
  complete_embeddings_from(file, vocab_size, tie_word_embeddings);
}

HFT_INLINE_ONCE void complete_embeddings_from(const gguf_file& file, isize& vocab_size, bool& tie_word_embeddings) {
  const auto* embeddings = file.find_tensor("token_embd.weight");
  if (!embeddings || embeddings->shape.size() != 2)
    throw weight_error(file.where(), "tensor 'token_embd.weight'", "a matrix (vocabulary, hidden)");
  vocab_size = embeddings->shape[0];
  tie_word_embeddings = !file.find_tensor("output.weight");
}

#endif  // HFT_DEFINES

}  // namespace hft
