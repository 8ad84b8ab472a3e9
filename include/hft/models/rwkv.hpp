// RWKV-4: a recurrent network that trains like a Transformer; means of values that decay stand for attention.
// Peng et al. 2023, arXiv 2305.13048. transformers/models/rwkv/modeling_rwkv.py
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <hft/layers/rwkv.hpp>
#include <hft/models/decoder.hpp>

namespace hft {

/// transformers.RwkvConfig; fields have its names and defaults.
struct RwkvConfig {
  isize vocab_size = 50277;
  isize context_length = 1024;  // of training; a text may be longer
  isize hidden_size = 4096;
  isize num_hidden_layers = 32;
  std::optional<isize> attention_hidden_size = {};  // default: hidden_size
  std::optional<isize> intermediate_size = {};      // default: 4 hidden_size
  f64 layer_norm_epsilon = 1e-5;                    // but for the last norm, which has 1e-5
  std::optional<i64> pad_token_id = {};
  std::optional<i64> bos_token_id = 0;
  TokenIds eos_token_id = 0;
  i64 rescale_every = 6;  // behind so many layers inference halves the stream, and what is added to it; 0: never
  bool tie_word_embeddings = false;
  bool use_cache = true;

  static constexpr const char* model_type = "rwkv";
  static constexpr const char* class_prefix = "Rwkv";

  void fields(field_visitor& v);
  void check() const {}

  isize attention_size() const { return attention_hidden_size.value_or(hidden_size); }
  isize feed_forward_size() const { return intermediate_size.value_or(4 * hidden_size); }
  TextModelOptions<RwkvBlockOptions> text_model() const;
  LMHeadOptions lm_head() const {
    return {.hidden_size = hidden_size, .vocab_size = vocab_size, .tied = tie_word_embeddings};
  }
  /// As large as the orthogonal matrices of Transformers.
  f64 initial_deviation(std::string_view path) const;
  /// Decays from slow to fast along the channels, shares of the token before that shrink with depth.
  bool initialise(std::string_view path, const std::vector<isize>&, const random_stream&,
                  std::vector<f32>& values) const;

  static constexpr name_rule rules[] = {{"embed_tokens", "embeddings"},
                                        {"embed_norm", "blocks.0.pre_ln"},
                                        {"layers", "blocks"},
                                        {"norm", "ln_out"},
                                        {"lm_head", "head"}};
  static constexpr name_tables names{.base_model_prefix = "rwkv", .rules = rules};
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using RwkvModel = DecoderModel<RwkvConfig, RwkvBlock, LayerNorm, build<W, D, L, S>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using RwkvForCausalLM = CausalLM<RwkvConfig, RwkvBlock, LayerNorm, build<W, D, L, S>>;

struct rwkv : architecture<RwkvConfig, RwkvModel, RwkvForCausalLM> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void RwkvConfig::fields(field_visitor& v) {
  v("vocab_size", vocab_size, v.extent);
  v("context_length", context_length, v.extent);
  v("hidden_size", hidden_size, v.extent);
  v("num_hidden_layers", num_hidden_layers, v.layers);
  v("attention_hidden_size", attention_hidden_size, v.extent);
  v("intermediate_size", intermediate_size, v.extent);
  v("layer_norm_epsilon", layer_norm_epsilon, v.not_negative);
  v("pad_token_id", pad_token_id, v.anything.written_if_set());
  v("bos_token_id", bos_token_id);
  v("eos_token_id", eos_token_id);
  v("rescale_every", rescale_every);
  v("tie_word_embeddings", tie_word_embeddings);
  v("use_cache", use_cache);
}

HFT_INLINE TextModelOptions<RwkvBlockOptions> RwkvConfig::text_model() const {
  const NormOptions norm{.size = hidden_size, .eps = layer_norm_epsilon};
  TextModelOptions<RwkvBlockOptions> o{
      .where = class_prefix,
      .embeddings = {.vocab_size = vocab_size, .hidden_size = hidden_size, .norm = norm},
      .norm = NormOptions{.size = hidden_size, .eps = 1e-5},
      .shows_embeddings = false};
  RwkvBlockOptions block{.norm = norm,
                         .hidden_size = hidden_size,
                         .attention_hidden_size = attention_size(),
                         .intermediate_size = feed_forward_size()};
  const isize every = rescale_every > 0 ? isize(rescale_every) : num_hidden_layers + 1;
  for (isize i = 0; i < num_hidden_layers; ++i) {
    block.layer = i;
    block.scale = std::ldexp(1.0, -int(i / every));
    block.stream_scale = (i + 1) % every == 0 ? 0.5 : 1;
    o.layers.push_back(block);
  }
  return o;
}

HFT_INLINE f64 RwkvConfig::initial_deviation(std::string_view path) const {
  if (path.ends_with("embeddings.weight")) return 1e-4;
  const isize inputs = path.ends_with("attention.output.weight")     ? attention_size()
                       : path.ends_with("feed_forward.value.weight") ? feed_forward_size()
                                                                     : hidden_size;
  return (path.ends_with("head.weight") ? 0.5 : 1) / std::sqrt(f64(inputs));
}

HFT_INLINE bool RwkvConfig::initialise(std::string_view path, const std::vector<isize>&, const random_stream&,
                                       std::vector<f32>& values) const {
  const auto at = path.find("blocks.");
  const auto name = path.substr(path.rfind('.') + 1);
  if (at == path.npos || !name.starts_with("time_")) return false;
  const f64 layer = f64(std::atoll(std::string(path.substr(at + 7)).c_str())), layers = f64(num_hidden_layers);
  const f64 depth = layer / std::max(1.0, layers - 1), rest = 1 - layer / layers;
  const bool attention = path.find(".attention.") != path.npos;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const f64 n = f64(values.size()), place = f64(i) / n;
    values[i] =
        f32(name == "time_decay"            ? -5 + 8 * std::pow(f64(i) / std::max(1.0, n - 1), 0.7 + 1.3 * depth)
            : name == "time_first"          ? 1
            : !attention                    ? std::pow(place, rest)
            : name == "time_mix_receptance" ? std::pow(place, 0.5 * rest)
                                            : std::pow(place, rest) + (name == "time_mix_value" ? 0.3 * depth : 0));
  }
  return true;
}

#endif  // HFT_DEFINES

}  // namespace hft
