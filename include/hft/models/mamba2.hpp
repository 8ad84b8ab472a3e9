// Mamba-2: Mamba whose channels come in heads with one decay each, and whose steps need no projection of their own.
// Dao & Gu 2024, arXiv 2405.21060. transformers/models/mamba2/modeling_mamba2.py
#pragma once
#include <limits>
#include <vector>

#include <hft/io/gguf_writer.hpp>
#include <hft/layers/mamba2.hpp>
#include <hft/models/mamba.hpp>

namespace hft {

/// transformers.Mamba2Config; fields have its names and defaults, those it shares with Mamba's others.
struct Mamba2Config : MambaConfig {
  isize num_heads = 128;
  isize head_dim = 64;
  isize n_groups = 8;      // of heads that have one B and one C
  isize chunk_size = 256;  // tokens that Transformers computes at once
  // Steps are cut off at these. Transformers does not where it goes on from a cache.
  std::vector<f64> time_step_limit = {0, std::numeric_limits<f64>::infinity()};

  static constexpr const char* model_type = "mamba2";
  static constexpr const char* class_prefix = "Mamba2";

  static constexpr name_tables names{
      .base_model_prefix = "backbone", .rules = rules, .gguf = gguf_names, .old_endings = old_endings};

  Mamba2Config();
  void fields(field_visitor& v);
  void check() const;

  TextModelOptions<ResidualBlockOptions<Mamba2MixerOptions>> text_model() const;
  void complete_from(const gguf_file& file) {
    MambaConfig::complete_from(file);
    time_step_rank = {};
    head_dim = gguf_number(file, "ssm.inner_size") / std::max<isize>(num_heads, 1);
  }
  void complete_in(gguf_keys& keys) const {
    MambaConfig::complete_in(keys);
    keys.number("ssm.time_step_rank", num_heads);
    keys.shape("ssm_a", {num_heads, 1});
    keys.shape("ssm_d", {num_heads, 1});
    keys.shape("ssm_norm.weight", {n_groups, intermediate_size() / n_groups});
  }
};

template <class B>
using Mamba2Block = ResidualBlock<RMSNorm<B>, Mamba2Mixer<B>>;

template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Mamba2Model = DecoderModel<Mamba2Config, Mamba2Block, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using Mamba2ForCausalLM = CausalLM<Mamba2Config, Mamba2Block, RMSNorm, build<W, D, L, S>>;

struct mamba2 : architecture<Mamba2Config, Mamba2Model, Mamba2ForCausalLM> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE Mamba2Config::Mamba2Config() {
  vocab_size = 32768;
  hidden_size = 4096;
  state_size = 128;
  num_hidden_layers = 64;
  pad_token_id = 1;
  eos_token_id = 2;
  tie_word_embeddings = false;
}

HFT_INLINE void Mamba2Config::fields(field_visitor& v) {
  mamba_fields(*this, v);
  v("num_heads", num_heads, v.extent.gguf("ssm.time_step_rank"));
  v("head_dim", head_dim, v.extent);
  v("n_groups", n_groups, v.extent.gguf("ssm.group_count"));
  v("chunk_size", chunk_size, v.extent);
  v("time_step_limit", time_step_limit);
}

HFT_INLINE void Mamba2Config::check() const {
  check_mamba(*this, model_type);
  if (num_heads * head_dim != intermediate_size())
    throw config_error(model_type, "num_heads * head_dim",
                       detail::joined("expand * hidden_size = ", intermediate_size()),
                       detail::joined(num_heads, " * ", head_dim));
  if (num_heads % n_groups)
    throw config_error(model_type, "n_groups", detail::joined("a number that divides ", num_heads, " heads"),
                       detail::joined(n_groups));
  check_channels(n_groups, state_size, "n_groups * state_size", model_type);
  const auto& limit = time_step_limit;
  if (limit.size() != 2) throw config_error(model_type, "time_step_limit", "two numbers", detail::joined(limit.size()));
  if (!(limit[0] <= limit[1]))
    throw config_error(model_type, "time_step_limit", "the least step and one that is no less",
                       detail::joined(limit[0], " and ", limit[1]));
}

HFT_INLINE TextModelOptions<ResidualBlockOptions<Mamba2MixerOptions>> Mamba2Config::text_model() const {
  return mamba_model(*this, class_prefix,
                     Mamba2MixerOptions{.hidden_size = hidden_size,
                                        .num_heads = num_heads,
                                        .head_dim = head_dim,
                                        .groups = n_groups,
                                        .state_size = state_size,
                                        .conv_kernel = conv_kernel,
                                        .activation = find_activation(hidden_act, model_type),
                                        .use_bias = use_bias,
                                        .use_conv_bias = use_conv_bias,
                                        .eps = layer_norm_epsilon,
                                        .least_time_step = time_step_limit[0],
                                        .most_time_step = time_step_limit[1]});
}

#endif  // HFT_DEFINES

}  // namespace hft
