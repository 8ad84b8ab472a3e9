// ViT: an image as a sequence of patches, through a pre-norm encoder; a class token says what it shows.
// Dosovitskiy et al. 2020, arXiv 2010.11929. transformers/models/vit/modeling_vit.py
#pragma once
#include <hft/layers/attention.hpp>
#include <hft/layers/image_embeddings.hpp>
#include <hft/models/backbone.hpp>
#include <hft/models/heads/classification.hpp>
#include <hft/models/heads/masked_image.hpp>
#include <hft/models/pretrained.hpp>

namespace hft {

/// transformers.ViTConfig; fields have its names and defaults.
struct ViTConfig {
  isize hidden_size = 768;
  isize num_hidden_layers = 12;
  isize num_attention_heads = 12;
  isize intermediate_size = 3072;
  short_string hidden_act = "gelu";
  f64 hidden_dropout_prob = 0, attention_probs_dropout_prob = 0;
  f64 initializer_range = 0.02;
  f64 layer_norm_eps = 1e-12;
  ImageSize image_size = 224, patch_size = 16;
  isize num_channels = 3;
  bool qkv_bias = true;
  isize encoder_stride = 16;
  std::optional<isize> pooler_output_size = {};  // default: hidden_size
  short_string pooler_act = "tanh";
  ClassLabels id2label = {};                      // of ViTForImageClassification
  std::optional<short_string> problem_type = {};  // what its labels are: see sequence_classification_loss

  static constexpr const char* model_type = "vit";
  static constexpr const char* class_prefix = "ViT";

  void fields(field_visitor& v);
  void check() const;

  BackboneOptions<ImageEmbeddingsOptions, BlockOptions> vision_model() const;
  ClassifierOptions classifier() const {
    return {.hidden_size = hidden_size, .num_labels = id2label.count(), .problem_type = problem_type};
  }

  MaskedImageHeadOptions masked_image_head() const {
    return {.hidden_size = hidden_size, .channels = num_channels, .stride = encoder_stride};
  }

  static constexpr name_rule rules[] = {{"cls_token", "embeddings.cls_token"},
                                        {"mask_token", "embeddings.mask_token"},
                                        {"position_embeddings", "embeddings.position_embeddings"},
                                        {"patch_embeddings", "embeddings.patch_embeddings"},
                                        {"layers.*.input_layernorm", "encoder.layer.*.layernorm_before"},
                                        {"layers.*.self_attn.q_proj", "encoder.layer.*.attention.attention.query"},
                                        {"layers.*.self_attn.k_proj", "encoder.layer.*.attention.attention.key"},
                                        {"layers.*.self_attn.v_proj", "encoder.layer.*.attention.attention.value"},
                                        {"layers.*.self_attn.o_proj", "encoder.layer.*.attention.output.dense"},
                                        {"layers.*.post_attention_layernorm", "encoder.layer.*.layernorm_after"},
                                        {"layers.*.mlp.up_proj", "encoder.layer.*.intermediate.dense"},
                                        {"layers.*.mlp.down_proj", "encoder.layer.*.output.dense"},
                                        {"norm", "layernorm"}};
  // What Transformers 5 calls them in memory, which some files have.
  static constexpr name_rule other_names[] = {
      {"encoder.layer.*.layernorm_before", "layers.*.layernorm_before"},
      {"encoder.layer.*.attention.attention.query", "layers.*.attention.q_proj"},
      {"encoder.layer.*.attention.attention.key", "layers.*.attention.k_proj"},
      {"encoder.layer.*.attention.attention.value", "layers.*.attention.v_proj"},
      {"encoder.layer.*.attention.output.dense", "layers.*.attention.o_proj"},
      {"encoder.layer.*.layernorm_after", "layers.*.layernorm_after"},
      {"encoder.layer.*.intermediate.dense", "layers.*.mlp.fc1"},
      {"encoder.layer.*.output.dense", "layers.*.mlp.fc2"}};
  static constexpr std::string_view may_be_left[] = {"*pooler.dense.*", "*embeddings.mask_token"};
  static constexpr name_tables names{
      .base_model_prefix = "vit", .rules = rules, .other_names = other_names, .may_be_left = may_be_left};
};

template <class B>
using ViTLayer = PreNormBlock<LayerNorm<B>, SelfAttention<B, no_positions>, MLP<B>>;

namespace detail {
template <class B>
using ViTBase = Backbone<ImageEmbeddings, ViTLayer, LayerNorm, B>;
}

template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ViTModel = PreTrainedModel<ViTConfig, detail::ViTBase<build<W, D, L, S>>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ViTForImageClassification =
    PreTrainedModel<ViTConfig, ForImageClassification<detail::ViTBase<build<W, D, L, S>>, first_token>>;
template <class W = f32, Device D = cpu, class L = plain, class S = runtime>
using ViTForMaskedImageModeling =
    PreTrainedModel<ViTConfig, ForMaskedImageModeling<detail::ViTBase<build<W, D, L, S>>>>;

struct vit : architecture<ViTConfig, ViTModel, ViTForImageClassification, ViTForMaskedImageModeling> {};

#if HFT_DEFINES(MODELS)

HFT_INLINE void ViTConfig::fields(field_visitor& v) {
  v("hidden_size", hidden_size, v.extent);
  v("num_hidden_layers", num_hidden_layers, v.layers);
  v("num_attention_heads", num_attention_heads, v.extent);
  v("intermediate_size", intermediate_size, v.extent);
  v("hidden_act", hidden_act);
  v("hidden_dropout_prob", hidden_dropout_prob, v.rate);
  v("attention_probs_dropout_prob", attention_probs_dropout_prob, v.rate);
  v("initializer_range", initializer_range);
  v("layer_norm_eps", layer_norm_eps, v.not_negative);
  v("image_size", image_size, v.extent);
  v("patch_size", patch_size, v.extent);
  v("num_channels", num_channels, v.extent);
  v("qkv_bias", qkv_bias);
  v("encoder_stride", encoder_stride, v.extent);
  v("pooler_output_size", pooler_output_size, v.extent);
  v("pooler_act", pooler_act);
  v("id2label", id2label);
  v("problem_type", problem_type);
}

HFT_INLINE void ViTConfig::check() const {
  check_divides(model_type, "num_attention_heads", num_attention_heads, "hidden_size", hidden_size);
  if (patch_size.height > image_size.height || patch_size.width > image_size.width)
    throw config_error(
        model_type, "patch_size", "at most image_size",
        detail::joined(patch_size.height, " x ", patch_size.width, " in ", image_size.height, " x ", image_size.width));
  find_activation(hidden_act, model_type);
  find_activation(pooler_act, model_type);
}

HFT_INLINE BackboneOptions<ImageEmbeddingsOptions, BlockOptions> ViTConfig::vision_model() const {
  const NormOptions norm{.size = hidden_size, .eps = layer_norm_eps};
  const AttentionOptions attention{.hidden_size = hidden_size,
                                   .num_heads = num_attention_heads,
                                   .num_kv_heads = num_attention_heads,
                                   .head_dim = hidden_size / num_attention_heads,
                                   .bias = qkv_bias,
                                   .output_bias = true,
                                   .visible = visibility::everything(),
                                   .dropout = attention_probs_dropout_prob};
  const MLPOptions mlp{.hidden_size = hidden_size,
                       .intermediate_size = intermediate_size,
                       .activation = find_activation(hidden_act, model_type),
                       .bias = true};
  return {.where = class_prefix,
          .embeddings = {.hidden_size = hidden_size,
                         .channels = num_channels,
                         .height = image_size.height,
                         .width = image_size.width,
                         .patch_height = patch_size.height,
                         .patch_width = patch_size.width,
                         .dropout = hidden_dropout_prob},
          .layers = {std::size_t(num_hidden_layers),
                     BlockOptions{.norm = norm, .attention = attention, .mlp = mlp, .dropout = hidden_dropout_prob}},
          .norm = norm,
          .pooler = PoolerOptions{.hidden_size = hidden_size,
                                  .output_size = pooler_output_size.value_or(hidden_size),
                                  .activation = find_activation(pooler_act, model_type)},
          .shows_normed = false,
          .causal = false};
}

#endif  // HFT_DEFINES

}  // namespace hft
