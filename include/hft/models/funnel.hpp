// Funnel Transformer: an encoder that pools its text between blocks, and a decoder that brings it back to its length.
// Dai et al. 2020, arXiv 2006.03236. transformers/models/funnel/modeling_funnel.py
#pragma once
#include <cmath>

#include <hft/models/mixing_encoder.hpp>

namespace hft {

/// transformers.FunnelConfig; fields have its names and defaults.
struct FunnelConfig {
  isize vocab_size = 30522;
  std::vector<isize> block_sizes = {4, 4, 4}, block_repeats = {};  // default: each block once
  isize num_decoder_layers = 2;
  isize d_model = 768, n_head = 12, d_head = 64, d_inner = 3072;
  short_string hidden_act = "gelu_new";
  f64 hidden_dropout = 0.1, attention_dropout = 0.1, activation_dropout = 0;
  f64 initializer_range = 0.1;
  std::optional<f64> initializer_std = {};  // default: by a layer's extents
  f64 layer_norm_eps = 1e-9;
  short_string pooling_type = "mean", attention_type = "relative_shift";
  bool separate_cls = true, truncate_seq = true, pool_q_only = true;
  std::optional<i64> pad_token_id = {};
  bool tie_word_embeddings = true;
  ClassLabels id2label = {};
  std::optional<short_string> problem_type = {};

  static constexpr const char* model_type = "funnel";
  static constexpr const char* class_prefix = "Funnel";

  void fields(field_visitor& v);
  void check() const;
  MixingEncoderOptions text_model() const;
  MaskedLMHeadOptions masked_lm_head() const;
  ClassifierOptions classifier() const {
    return {.hidden_size = d_model,
            .num_labels = id2label.count(),
            .dropout = hidden_dropout,
            .problem_type = problem_type,
            .dense_dropout = 0};
  }
  /// Whole texts are classified by what the encoder makes of the first token.
  void adapt(std::string_view class_suffix, MixingEncoderOptions& o) const {
    if (class_suffix == "BaseModel" || class_suffix == "ForSequenceClassification" ||
        class_suffix == "ForMultipleChoice")
      std::get<FunnelStackOptions>(o.layers[0]).decoder_layers = 0;
  }
  bool initialise(std::string_view path, const std::vector<isize>& shape, const random_stream& random,
                  std::vector<f32>& values) const;

  static constexpr name_rule rules[] = {{"embed_tokens", "embeddings.word_embeddings"},
                                        {"embed_norm", "embeddings.layer_norm"},
                                        {"layers.0.blocks.*.*", "encoder.blocks.*.*"},
                                        {"layers.0.decoder.*", "decoder.layers.*"},
                                        {"classifier.dense", "classifier.linear_hidden"},
                                        {"classifier.out_proj", "classifier.linear_out"},
                                        {"dense", "discriminator_predictions.dense"},
                                        {"dense_prediction", "discriminator_predictions.dense_prediction"},
                                        {"head.bias", "lm_head.bias"},
                                        {"decoder", "lm_head"}};
  static constexpr name_tables names{.base_model_prefix = "funnel", .rules = rules};
};

/// The encoder alone, whose states are fewer than the tokens.
template <class Base>
class WithoutDecoder : public Base {
 public:
  template <class Other>
  using on_build = WithoutDecoder<typename Base::template on_build<Other>>;
  static constexpr const char* class_suffix = "BaseModel";
  using Base::Base;
};
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using FunnelModel = PreTrainedModel<FunnelConfig, MixingEncoder<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using FunnelForMaskedLM = PreTrainedModel<FunnelConfig, ForMaskedLM<MixingEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using FunnelForSequenceClassification =
    PreTrainedModel<FunnelConfig, ForSequenceClassification<MixingEncoder<build<W, D, L, S>>, first_token_by_tanh>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using FunnelForTokenClassification =
    PreTrainedModel<FunnelConfig, ForTokenClassification<MixingEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using FunnelForQuestionAnswering =
    PreTrainedModel<FunnelConfig, ForQuestionAnswering<MixingEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using FunnelForMultipleChoice =
    PreTrainedModel<FunnelConfig, ForMultipleChoice<MixingEncoder<build<W, D, L, S>>, first_token_by_tanh>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using FunnelBaseModel = PreTrainedModel<FunnelConfig, WithoutDecoder<MixingEncoder<build<W, D, L, S>>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using FunnelForPreTraining = PreTrainedModel<FunnelConfig, ForReplacedTokens<MixingEncoder<build<W, D, L, S>>>>;

struct funnel : architecture<FunnelConfig, FunnelModel, FunnelBaseModel, FunnelForMaskedLM,
                             FunnelForSequenceClassification, FunnelForTokenClassification, FunnelForQuestionAnswering,
                             FunnelForMultipleChoice, FunnelForPreTraining> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void FunnelConfig::fields(field_visitor& v) {
  v("vocab_size", vocab_size, v.extent);
  v("block_sizes", block_sizes, v.extent);
  v("block_repeats", block_repeats, v.extent);
  v("num_decoder_layers", num_decoder_layers, v.layers);
  v("d_model", d_model, v.extent.also("hidden_size"));
  v("n_head", n_head, v.extent.also("num_attention_heads"));
  v("d_head", d_head, v.extent);
  v("d_inner", d_inner, v.extent);
  v("hidden_act", hidden_act);
  v("hidden_dropout", hidden_dropout, v.rate);
  v("attention_dropout", attention_dropout, v.rate);
  v("activation_dropout", activation_dropout, v.rate);
  v("initializer_range", initializer_range);
  v("initializer_std", initializer_std);
  v("layer_norm_eps", layer_norm_eps, v.not_negative);
  v("pooling_type", pooling_type);
  v("attention_type", attention_type);
  v("separate_cls", separate_cls);
  v("truncate_seq", truncate_seq);
  v("pool_q_only", pool_q_only);
  v("pad_token_id", pad_token_id);
  v("tie_word_embeddings", tie_word_embeddings);
  v("id2label", id2label);
  v("problem_type", problem_type);
}

HFT_INLINE void FunnelConfig::check() const {
  if (block_sizes.empty() || block_sizes.size() > 32)
    throw config_error(model_type, "block_sizes", "1 to 32 blocks", detail::joined(block_sizes.size()));
  if (!block_repeats.empty() && block_repeats.size() != block_sizes.size())
    throw config_error(model_type, "block_repeats", detail::joined("one for each of ", block_sizes.size(), " blocks"),
                       detail::joined(block_repeats.size()));
  for (const auto* list : {&block_sizes, &block_repeats})
    for (const isize n : *list)
      if (n < 1 || f64(n) > field_visitor::layers.most)
        throw config_error(model_type, list == &block_sizes ? "block_sizes" : "block_repeats", "1 to 4096",
                           detail::joined(n));
  if (d_model % 2) throw config_error(model_type, "d_model", "an even number", detail::joined(d_model));
  find_activation(hidden_act, model_type);
  if (pooling_type.view() != "mean" && pooling_type.view() != "max")
    throw config_error(model_type, "pooling_type", "mean or max", detail::quote_text(pooling_type));
  if (attention_type.view() != "relative_shift" && attention_type.view() != "factorized")
    throw config_error(model_type, "attention_type", "relative_shift or factorized",
                       detail::quote_text(attention_type));
}

HFT_INLINE MixingEncoderOptions FunnelConfig::text_model() const {
  const NormOptions norm{.size = d_model, .eps = layer_norm_eps};
  const auto activation = find_activation(hidden_act, model_type);
  FunnelStackOptions stack{
      .attention = {.hidden_size = d_model,
                    .num_heads = n_head,
                    .num_kv_heads = n_head,
                    .head_dim = d_head,
                    .visible = visibility::everything(),
                    .scale = 1 / std::sqrt(f64(d_head)),
                    .dropout = attention_dropout},
      .mlp = {.hidden_size = d_model, .intermediate_size = d_inner, .activation = activation, .bias = true},
      .norm = norm,
      .decoder_layers = num_decoder_layers,
      .separate_cls = separate_cls,
      .truncate_seq = truncate_seq,
      .pool_q_only = pool_q_only,
      .factorized = attention_type.view() == "factorized",
      .max_pooling = pooling_type.view() == "max",
      .dropout = hidden_dropout,
      .activation_dropout = activation_dropout};
  stack.block_sizes = block_sizes;
  stack.block_repeats = block_repeats.empty() ? std::vector<isize>(block_sizes.size(), 1) : block_repeats;
  MixingEncoderOptions o{.where = "FunnelModel",
                         .embeddings = TextEmbeddingsOptions{.vocab_size = vocab_size,
                                                             .hidden_size = d_model,
                                                             .pad_token_id = pad_token_id,
                                                             .norm = norm,
                                                             .dropout = hidden_dropout},
                         .causal = false};
  o.layers.push_back(std::move(stack));
  return o;
}

HFT_INLINE MaskedLMHeadOptions FunnelConfig::masked_lm_head() const {
  return {.hidden_size = d_model,
          .vocab_size = vocab_size,
          .activation = Activation::gelu,
          .norm = {.size = d_model},
          .tied = tie_word_embeddings,
          .one_bias = true,
          .transformed = false};
}

HFT_INLINE bool FunnelConfig::initialise(std::string_view path, const std::vector<isize>& shape,
                                         const random_stream& random, std::vector<f32>& values) const {
  const bool raw = path.ends_with("_bias") || path.ends_with("r_kernel") || path.ends_with("seg_embed");
  if (!raw && shape.size() != 2) return false;
  const bool embedding = path.ends_with("word_embeddings.weight");
  const f64 deviation = initializer_std ? *initializer_std
                        : embedding     ? 1
                        : raw           ? 0
                                        : std::sqrt(1 / f64(shape[0] + shape[1]));
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = f32(raw ? initializer_range * random.uniform(std::uint64_t(i)) : deviation * random.normal(i));
  if (embedding && pad_token_id) std::fill_n(values.begin() + *pad_token_id * shape[1], shape[1], 0.0f);
  return true;
}

#endif  // HFT_DEFINES

}  // namespace hft
