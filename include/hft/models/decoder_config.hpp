// What the configs of most decoders after Llama share: their fields, and the options of layers that follow from them.
#pragma once
#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <vector>

#include <hft/models/decoder.hpp>
#include <hft/models/gguf_names.hpp>

namespace hft {

// Of a config with the members of DecoderConfig below.

/// The fields that all of them have, the activation under this name.
template <class Config>
void decoder_fields(Config& c, field_visitor& v, const char* hidden_act = "hidden_act") {
  v("vocab_size", c.vocab_size, v.extent);
  v("hidden_size", c.hidden_size, v.extent.gguf("embedding_length"));
  v("intermediate_size", c.intermediate_size, v.extent.gguf("feed_forward_length"));
  v("num_hidden_layers", c.num_hidden_layers, v.layers.gguf("block_count"));
  v("num_attention_heads", c.num_attention_heads, v.extent.gguf("attention.head_count"));
  v("num_key_value_heads", c.num_key_value_heads, v.extent.gguf("attention.head_count_kv"));
  v(hidden_act, c.hidden_act);
  v("max_position_embeddings", c.max_position_embeddings, v.extent.gguf("context_length"));
  v("initializer_range", c.initializer_range);
  v("use_cache", c.use_cache);
  v("pad_token_id", c.pad_token_id, v.anything.gguf("tokenizer.ggml.padding_token_id"));
  v("bos_token_id", c.bos_token_id, v.anything.gguf("tokenizer.ggml.bos_token_id"));
  v("eos_token_id", c.eos_token_id, v.anything.gguf("tokenizer.ggml.eos_token_id"));
  v("tie_word_embeddings", c.tie_word_embeddings);
  v("rope_parameters", c.rope_parameters);
  v("attention_dropout", c.attention_dropout, v.rate);
  // Some classes of Transformers take a null for the size itself.
  v("head_dim", c.head_dim, v.extent.gguf("attention.key_length").written_if_set());
  v("id2label", c.id2label);
  v("problem_type", c.problem_type);
}

/// Throws config_error for values that do not fit each other. `model_type` names the config in errors.
template <class Config>
void check_decoder(const Config& c, const char* model_type) {
  if (!c.head_dim)
    check_divides(model_type, "num_attention_heads", c.num_attention_heads, "hidden_size", c.hidden_size);
  check_heads(c.attention(0), model_type);
  find_activation(c.hidden_act, model_type);
}

/// Without biases; every key of the past is seen.
template <class Config>
AttentionOptions decoder_attention(const Config& c, isize layer) {
  return {.hidden_size = c.hidden_size,
          .num_heads = c.num_attention_heads,
          .num_kv_heads = c.key_value_heads(),
          .head_dim = c.head_size(),
          .layer = layer,
          .dropout = c.attention_dropout,
          .rope = c.rope()};
}

namespace detail {
/// Blocks with this norm and MLP, and each its own attention; all of a config's that does not depend on its type.
std::vector<BlockOptions> decoder_blocks(isize layers, const NormOptions& norm, const MLPOptions& mlp,
                                         AttentionOptions (*attention)(const void* config, isize layer),
                                         const void* config);
}  // namespace detail

/// Pre-norm blocks, with this norm in them and behind them, and the config's own attention(layer). Options:
/// TextModelOptions<> where the embeddings have more than TokenEmbeddings.
template <class Options = TokenModelOptions<>, class Config>
Options decoder_model(const Config& c, const char* where, const NormOptions& norm) {
  const auto attention = [](const void* config, isize layer) {
    return static_cast<const Config*>(config)->attention(layer);
  };
  const MLPOptions mlp{.hidden_size = c.hidden_size,
                       .intermediate_size = c.intermediate_size,
                       .activation = find_activation(c.hidden_act, where)};
  return {.where = where,
          .embeddings = {.vocab_size = c.vocab_size, .hidden_size = c.hidden_size, .pad_token_id = c.pad_token_id},
          .layers = detail::decoder_blocks(c.num_hidden_layers, norm, mlp, attention, &c),
          .norm = norm};
}

template <class Config>
LMHeadOptions decoder_lm_head(const Config& c) {
  return {.hidden_size = c.hidden_size, .vocab_size = c.vocab_size, .tied = c.tie_word_embeddings};
}

template <class Config>
ClassifierOptions decoder_classifier(const Config& c) {
  return {.hidden_size = c.hidden_size,
          .num_labels = c.id2label.count(),
          .pad_token_id = c.pad_token_id,
          .problem_type = c.problem_type};
}

/// Files call the parts as the stock blocks do; of a classifier of tokens:
inline constexpr name_rule decoder_rules[] = {{"classifier", "score"}};

/// The values of a config's layer_types: what its layers see of the past, or that they keep a state of it.
inline constexpr const char *full_attention = "full_attention", *sliding_attention = "sliding_attention",
                            *linear_attention = "linear_attention";

/// Throws config_error unless layer_types are empty, or full attention or `other` for each layer.
void check_layer_types(const std::vector<std::string>& types, isize layers, const char* model_type,
                       const char* other = sliding_attention);
/// Throws config_error unless no_rope_layers are empty, or say of each layer whether it has rotary positions.
void check_rope_layers(const std::vector<isize>& turning, isize layers, const char* model_type);
/// Whether a layer has a window: as layer_types say, or where they are empty all but every `pattern`-th.
bool layer_slides(const std::vector<std::string>& types, isize layer, isize pattern);
/// Those that a GGUF file says, layer by layer; empty where it does not.
std::vector<std::string> gguf_layer_types(const gguf_file& file);

/// Rotary parameters of layers that see everything, and of those with a window.
struct RopeParametersOfTypes {
  RopeParameters full_attention{}, sliding_attention{};

  const RopeParameters& of(bool slides) const { return slides ? sliding_attention : full_attention; }
  void fields(field_visitor& v) {
    v("full_attention", full_attention);
    v("sliding_attention", sliding_attention);
  }
};

/// The base of configs whose own fields, and defaults where they are others, stand in a struct derived from it.
struct DecoderConfig {
  isize vocab_size = 32000;
  isize hidden_size = 4096;
  isize intermediate_size = 11008;
  isize num_hidden_layers = 32;
  isize num_attention_heads = 32;
  std::optional<isize> num_key_value_heads = {};  // default: num_attention_heads
  short_string hidden_act = "silu";
  isize max_position_embeddings = 2048;
  f64 initializer_range = 0.02;
  bool use_cache = true;
  std::optional<i64> pad_token_id = {};
  std::optional<i64> bos_token_id = 1;
  TokenIds eos_token_id = {};  // most have a default of 2; a config without any has none here
  bool tie_word_embeddings = false;
  RopeParameters rope_parameters{};
  f64 attention_dropout = 0;
  std::optional<isize> head_dim = {};             // default: hidden_size / num_attention_heads
  ClassLabels id2label = {};                      // of classifiers
  std::optional<short_string> problem_type = {};  // what labels of sequences are: see sequence_classification_loss

  isize key_value_heads() const { return num_key_value_heads.value_or(num_attention_heads); }
  isize head_size() const { return head_dim.value_or(hidden_size / num_attention_heads); }
  /// The extents a specialised build compiles for.
  std::array<isize, 4> extents() const {
    return {hidden_size, intermediate_size, num_attention_heads * head_size(), head_size()};
  }
  /// Of the share of each head that rope_parameters say, else of this one.
  RopeScaling rope(f64 share = 1) const { return rope_of(rope_parameters, share); }
  /// The same of other parameters.
  RopeScaling rope_of(const RopeParameters& p, f64 share = 1) const {
    return {p, isize(f64(head_size()) * p.partial_rotary_factor.value_or(share)), max_position_embeddings};
  }

  void fields(field_visitor& v);
  LMHeadOptions lm_head() const { return decoder_lm_head(*this); }
  /// Of what a classifier of tokens sees. (transformers.GenericForTokenClassification)
  f64 token_dropout() const { return 0.1; }
  ClassifierOptions classifier() const { return decoder_classifier(*this); }
  static constexpr auto& rules = decoder_rules;
  void complete_from(const gguf_file& file) { complete_from(file, rope_parameters); }

 protected:
  /// The same of a config that keeps its rotary parameters elsewhere.
  void complete_from(const gguf_file& file, RopeParameters& rope) {
    complete_decoder_from(file, vocab_size, tie_word_embeddings, rope);
    if (!gguf_says(file, "attention.key_length")) head_dim = {};
  }
};

#if HFT_DEFINES(MODELS)

HFT_INLINE_ONCE std::vector<BlockOptions> detail::decoder_blocks(isize layers, const NormOptions& norm,
                                                                 const MLPOptions& mlp,
                                                                 AttentionOptions (*attention)(const void*, isize),
                                                                 const void* config) {
  // Made at once: to grow by one of so many fields costs each program that has a decoder more than all else here.
  std::vector<BlockOptions> blocks(std::size_t(std::max<isize>(layers, 0)),
                                   {.norm = norm, .attention = {}, .mlp = mlp});
  for (isize i = 0; i < layers; ++i) blocks[std::size_t(i)].attention = attention(config, i);
  return blocks;
}

HFT_INLINE void check_layer_types(const std::vector<std::string>& types, isize layers, const char* model_type,
                                  const char* other) {
  if (!types.empty() && isize(types.size()) != layers)
    throw config_error(model_type, "layer_types", detail::joined("one for each of ", layers, " layers"),
                       detail::joined(types.size()));
  for (const std::string& type : types)
    if (type != full_attention && type != other)
      throw config_error(model_type, "layer_types", detail::joined(full_attention, " or ", other),
                         detail::quote_text(type));
}

HFT_INLINE void check_rope_layers(const std::vector<isize>& turning, isize layers, const char* model_type) {
  if (!turning.empty() && isize(turning.size()) != layers)
    throw config_error(model_type, "no_rope_layers", detail::joined("one for each of ", layers, " layers"),
                       detail::joined(turning.size()));
}

HFT_INLINE bool layer_slides(const std::vector<std::string>& types, isize layer, isize pattern) {
  return types.empty() ? (layer + 1) % pattern != 0 : types[std::size_t(layer)] == sliding_attention;
}

HFT_INLINE std::vector<std::string> gguf_layer_types(const gguf_file& file) {
  std::vector<std::string> types;
  const auto* slides = gguf_says(file, "attention.sliding_window_pattern");
  if (slides && slides->is_array())
    for (const bool window : slides->as_bools()) types.push_back(window ? sliding_attention : full_attention);
  return types;
}

HFT_INLINE void DecoderConfig::fields(field_visitor& v) { decoder_fields(*this, v); }

#endif  // HFT_DEFINES

}  // namespace hft
