// Mamba: selective state spaces in place of attention; a state of fixed size stands for the tokens before.
// Gu & Dao 2023, arXiv 2312.00752. transformers/models/mamba/modeling_mamba.py
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <hft/io/gguf_writer.hpp>
#include <hft/layers/mamba.hpp>
#include <hft/models/decoder.hpp>
#include <hft/models/gguf_names.hpp>

namespace hft {

/// Whether a GGUF file under Mamba's name is FalconMamba's.
inline bool gguf_normalises_steps(const gguf_file& file) {
  const auto* normalises = gguf_says(file, "ssm.dt_b_c_rms");
  return normalises && normalises->as_bool();
}

/// transformers.MambaConfig; fields have its names and defaults.
struct MambaConfig {
  isize vocab_size = 50280;
  isize hidden_size = 768;
  isize state_size = 16;
  isize num_hidden_layers = 32;
  f64 layer_norm_epsilon = 1e-5;
  std::optional<i64> pad_token_id = 0;
  std::optional<i64> bos_token_id = 0;
  TokenIds eos_token_id = 0;
  isize expand = 2;
  isize conv_kernel = 4;
  bool use_bias = false;
  bool use_conv_bias = true;
  short_string hidden_act = "silu";
  f64 initializer_range = 0.1;
  bool residual_in_fp32 = true;              // activations are f32 here anyway
  std::optional<isize> time_step_rank = {};  // default: hidden_size / 16, rounded up
  f64 time_step_scale = 1, time_step_min = 0.001, time_step_max = 0.1, time_step_floor = 1e-4;
  short_string time_step_init_scheme = "random";  // or constant
  bool rescale_prenorm_residual = false;
  bool use_cache = true;
  bool tie_word_embeddings = true;

  static constexpr const char* model_type = "mamba";
  static constexpr const char* class_prefix = "Mamba";

  void fields(field_visitor& v);
  void check() const;

  isize intermediate_size() const { return expand * hidden_size; }
  isize rank() const { return time_step_rank.value_or((hidden_size + 15) / 16); }
  MambaMixerOptions mixer() const;
  TextModelOptions<ResidualBlockOptions<MambaMixerOptions>> text_model() const;
  void complete_from(const gguf_file& file);
  void complete_in(gguf_keys& keys) const;
  LMHeadOptions lm_head() const {
    return {.hidden_size = hidden_size, .vocab_size = vocab_size, .tied = tie_word_embeddings};
  }

  /// Time steps between time_step_min and time_step_max, decays 1 to state_size. (init_mamba_weights)
  bool initialise(std::string_view path, const std::vector<isize>& shape, const random_stream& random,
                  std::vector<f32>& values) const;

  static constexpr name_rule rules[] = {{"embed_tokens", "embeddings"}, {"norm", "norm_f"}};
  static constexpr std::pair<std::string_view, std::string_view> old_endings[] = {
      {"embedding.weight", "embeddings.weight"}};
  static constexpr name_rule gguf_names[] = {{"model.embed_tokens", "token_embd"},
                                             {"model.layers.*.norm", "blk.*.attn_norm"},
                                             {"model.layers.*.mixer.in_proj", "blk.*.ssm_in"},
                                             {"model.layers.*.mixer.conv1d", "blk.*.ssm_conv1d"},
                                             {"model.layers.*.mixer.x_proj", "blk.*.ssm_x"},
                                             {"model.layers.*.mixer.dt_proj", "blk.*.ssm_dt"},
                                             {"model.layers.*.mixer.dt_bias", "blk.*.ssm_dt.bias"},
                                             {"model.layers.*.mixer.A_log", "blk.*.ssm_a", stored_as::minus_exp},
                                             {"model.layers.*.mixer.D", "blk.*.ssm_d"},
                                             {"model.layers.*.mixer.norm", "blk.*.ssm_norm"},
                                             {"model.layers.*.mixer.out_proj", "blk.*.ssm_out"},
                                             {"model.norm", "output_norm"},
                                             {"lm_head", "output"}};
  static constexpr name_tables names{.base_model_prefix = "backbone",
                                     .rules = rules,
                                     .gguf = gguf_names,
                                     .gguf_told = [](const gguf_file& file) { return !gguf_normalises_steps(file); },
                                     .old_endings = old_endings};
};

// Of a config derived from it:

/// The fields that Mamba-2 has, too.
void mamba_fields(MambaConfig& c, field_visitor& v);
/// Throws config_error where a product of two fields is more channels than any model has. `model_type` names the config
/// in errors.
void check_channels(isize a, isize b, const char* product, const char* model_type);
/// Throws config_error for values that do not fit each other.
void check_mamba(const MambaConfig& c, const char* model_type);
/// Decay rates of 1 to the number of states, and D of ones; false: the path is neither.
bool initialise_states(std::string_view path, const std::vector<isize>& shape, std::vector<f32>& values);

/// The model whose layers have this mixer.
template <class Mixer>
TextModelOptions<ResidualBlockOptions<Mixer>> mamba_model(const MambaConfig& c, const char* where, Mixer mixer) {
  const NormOptions norm{.size = c.hidden_size, .eps = c.layer_norm_epsilon};
  TextModelOptions<ResidualBlockOptions<Mixer>> o{
      .where = where,
      .embeddings = {.vocab_size = c.vocab_size, .hidden_size = c.hidden_size},
      .norm = norm,
      .shows_embeddings = false};
  for (mixer.layer = 0; mixer.layer < c.num_hidden_layers; ++mixer.layer) o.layers.push_back({norm, mixer});
  return o;
}

template <class B>
using MambaBlock = ResidualBlock<RMSNorm<B>, MambaMixer<B>>;

template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MambaModel = DecoderModel<MambaConfig, MambaBlock, RMSNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using MambaForCausalLM = CausalLM<MambaConfig, MambaBlock, RMSNorm, build<W, D, L, S>>;

struct mamba : architecture<MambaConfig, MambaModel, MambaForCausalLM> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void MambaConfig::fields(field_visitor& v) {
  mamba_fields(*this, v);
  v("time_step_scale", time_step_scale);
  v("time_step_init_scheme", time_step_init_scheme);
}

HFT_INLINE void mamba_fields(MambaConfig& c, field_visitor& v) {
  v("vocab_size", c.vocab_size, v.extent);
  v("hidden_size", c.hidden_size, v.extent.gguf("embedding_length"));
  v("state_size", c.state_size, v.extent.gguf("ssm.state_size"));
  v("num_hidden_layers", c.num_hidden_layers, v.layers.gguf("block_count"));
  v("layer_norm_epsilon", c.layer_norm_epsilon, v.not_negative.gguf("attention.layer_norm_rms_epsilon"));
  v("pad_token_id", c.pad_token_id, v.anything.gguf("tokenizer.ggml.padding_token_id"));
  v("bos_token_id", c.bos_token_id, v.anything.gguf("tokenizer.ggml.bos_token_id"));
  v("eos_token_id", c.eos_token_id, v.anything.gguf("tokenizer.ggml.eos_token_id"));
  v("expand", c.expand, v.extent);
  v("conv_kernel", c.conv_kernel, v.extent.gguf("ssm.conv_kernel"));
  v("use_bias", c.use_bias);
  v("use_conv_bias", c.use_conv_bias);
  v("hidden_act", c.hidden_act);
  v("initializer_range", c.initializer_range);
  v("residual_in_fp32", c.residual_in_fp32);
  v("time_step_rank", c.time_step_rank, v.extent.gguf("ssm.time_step_rank"));
  v("time_step_min", c.time_step_min, v.not_negative);
  v("time_step_max", c.time_step_max, v.not_negative);
  v("time_step_floor", c.time_step_floor, v.not_negative);
  v("rescale_prenorm_residual", c.rescale_prenorm_residual);
  v("use_cache", c.use_cache);
  v("tie_word_embeddings", c.tie_word_embeddings);
}

HFT_INLINE void MambaConfig::complete_from(const gguf_file& file) {
  complete_embeddings_from(file, vocab_size, tie_word_embeddings);
  expand = gguf_number(file, "ssm.inner_size") / std::max<isize>(hidden_size, 1);
  use_bias = gguf_layers_have(file, "ssm_in.bias");
  use_conv_bias = gguf_layers_have(file, "ssm_conv1d.bias");
}

HFT_INLINE void MambaConfig::complete_in(gguf_keys& keys) const {
  keys.number("context_length", isize(1) << 20);  // there is none, nor attention
  keys.number("feed_forward_length", 0);
  keys.number("attention.head_count", 0);
  keys.number("ssm.inner_size", intermediate_size());
  keys.number("ssm.time_step_rank", rank());
  keys.flag("ssm.dt_b_c_rms", false);
}

HFT_INLINE void MambaConfig::check() const { check_mamba(*this, model_type); }

HFT_INLINE void check_channels(isize a, isize b, const char* product, const char* model_type) {
  if (f64(a) * f64(b) > field_visitor::largest_extent)
    throw config_error(model_type, product, detail::joined("at most ", isize(field_visitor::largest_extent)),
                       detail::joined(a, " * ", b));
}

HFT_INLINE void check_mamba(const MambaConfig& c, const char* model_type) {
  check_channels(c.expand, c.hidden_size, "expand * hidden_size", model_type);
  find_activation(c.hidden_act, model_type);
  if (!(c.time_step_init_scheme.view() == "random" || c.time_step_init_scheme.view() == "constant"))
    throw config_error(model_type, "time_step_init_scheme", "random or constant",
                       detail::quote_text(c.time_step_init_scheme));
}

HFT_INLINE MambaMixerOptions MambaConfig::mixer() const {
  return {.hidden_size = hidden_size,
          .intermediate_size = intermediate_size(),
          .time_step_rank = rank(),
          .state_size = state_size,
          .conv_kernel = conv_kernel,
          .activation = find_activation(hidden_act, model_type),
          .use_bias = use_bias,
          .use_conv_bias = use_conv_bias};
}

HFT_INLINE TextModelOptions<ResidualBlockOptions<MambaMixerOptions>> MambaConfig::text_model() const {
  return mamba_model(*this, class_prefix, mixer());
}

HFT_INLINE bool initialise_states(std::string_view path, const std::vector<isize>& shape, std::vector<f32>& values) {
  const bool decays = path.ends_with(".A_log");
  if (!decays && !path.ends_with(".D")) return false;
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = decays ? f32(std::log(f64(isize(i) % shape.back() + 1))) : f32(1);
  return true;
}

HFT_INLINE bool MambaConfig::initialise(std::string_view path, const std::vector<isize>& shape,
                                        const random_stream& random, std::vector<f32>& values) const {
  const auto fill = [&](auto value) {
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = f32(value(i));
    return true;
  };
  const auto uniform = [&](f64 most) {
    return fill([=](std::size_t i) { return most * (2 * random.uniform(i) - 1); });
  };
  if (initialise_states(path, shape, values)) return true;
  if (path.ends_with("mixer.dt_proj.bias") || path.ends_with("mixer.dt_bias"))  // what softplus makes the time step
    return fill([&](std::size_t i) {
      const f64 span = std::log(time_step_max) - std::log(time_step_min);
      const f64 step = std::max(std::exp(random.uniform(i) * span + std::log(time_step_min)), time_step_floor);
      return step + std::log(-std::expm1(-step));
    });
  if (path.ends_with("mixer.dt_proj.weight")) {
    const f64 most = time_step_scale / std::sqrt(f64(rank()));
    return time_step_init_scheme.view() == "constant" ? fill([&](std::size_t) { return most; }) : uniform(most);
  }
  if (path.ends_with("mixer.conv1d.weight")) return uniform(1 / std::sqrt(f64(conv_kernel)));
  if (path.ends_with("mixer.out_proj.weight"))
    return uniform(1 / std::sqrt(f64(intermediate_size()) * (rescale_prenorm_residual ? f64(num_hidden_layers) : 1.0)));
  return false;
}

#endif  // HFT_DEFINES

}  // namespace hft
