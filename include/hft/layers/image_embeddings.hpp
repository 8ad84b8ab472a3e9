// ImageEmbeddings: an image's patches as tokens, behind a class token, with learned positions.
#pragma once
#include <algorithm>

#include <hft/layers/begin_pass.hpp>
#include <hft/layers/build.hpp>
#include <hft/layers/dropout.hpp>
#include <hft/module.hpp>
#include <hft/ops/concat_tokens.hpp>
#include <hft/ops/elementwise.hpp>
#include <hft/ops/embedding.hpp>
#include <hft/ops/linear.hpp>
#include <hft/ops/patches.hpp>

namespace hft {

struct ImageEmbeddingsOptions {
  isize hidden_size, channels;
  isize height, width;              // of an image, in pixels
  isize patch_height, patch_width;  // of a patch
  f64 dropout = 0;

  isize patches() const { return (height / patch_height) * (width / patch_width); }
};

/// torch.nn.Conv2d whose stride is its kernel: a linear layer over patches. Checkpoint names: weight, bias; held in the
/// activation dtype whatever the model's weight dtype is.
template <class B>
class PatchProjection {
 public:
  PatchProjection(isize channels, isize out, isize height, isize width)
      : weight(decltype(weight)::unallocated({out, channels, height, width})),
        bias(decltype(bias)::unallocated({out})) {}

  /// (B,C,H,W) => (B,N,out)
  template <class X>
  auto operator()(const X& images) const {
    const isize out = weight.extent(0), p = weight.extent(2), q = weight.extent(3);
    return linear(patches(images, p, q), weight.template reshape<2>({out, weight.extent(1) * p * q}), bias);
  }
  void visit(visitor& v) {
    v("weight", weight);
    v("bias", bias);
  }

  typename B::template parameter<typename B::activation, 4> weight;  // (out,C,p,q)
  typename B::template parameter<typename B::activation, 1> bias;    // (out)
};

/// Checkpoint names: cls_token, patch_embeddings.projection, position_embeddings. (transformers.ViTEmbeddings)
template <class B>
class ImageEmbeddings {
 public:
  using options = ImageEmbeddingsOptions;
  using inputs = ImageInputs;
  using A = typename B::activation;
  template <class Config>
  static auto model_of(const Config& config) {
    return config.vision_model();
  }

  explicit ImageEmbeddings(const ImageEmbeddingsOptions& o)
      : cls_token(decltype(cls_token)::unallocated({1, 1, o.hidden_size})),
        position_embeddings(decltype(position_embeddings)::unallocated({1, o.patches() + 1, o.hidden_size})),
        projection(o.channels, o.hidden_size, o.patch_height, o.patch_width),
        options_(o) {}

  /// The context of a pass over `in`. Throws shape_error for images of another size, value_error for arguments of
  /// models over tokens.
  template <Scalar Activation, Device D>
  ForwardContext<Activation, D> begin(const char* where, const ImageInputs& in,
                                      const ForwardArgs<Activation, D>& args) const {
    if (args.attention_mask || args.position_ids || args.token_type_ids)
      throw value_error(where, "arguments", "pixel_values alone", "those of tokens");
    const Shape<4> expected{std::max<isize>(1, in.pixel_values.extent(0)), options_.channels, options_.height,
                            options_.width};
    if (in.pixel_values.shape() != expected)
      throw shape_error(where, "pixel_values",
                        detail::joined("(batch, ", expected[1], ", ", expected[2], ", ", expected[3], ")"),
                        detail::shape_text(in.pixel_values.shape()));
    auto context = begin_pass(args);
    context.key_length = options_.patches() + 1;
    return context;
  }

  /// Images (B,C,H,W) => (B,1+N,C)
  template <class Context>
  auto operator()(const ImageInputs& in, Context& context) const {
    const isize B_ = in.pixel_values.extent(0), N = options_.patches();
    const auto rows = [&](const auto& table, isize n) {  // the same n tokens for each image
      Tensor<i64, 2> ids({B_, n});
      for (isize i = 0; i < ids.size(); ++i) ids.data()[i] = i % n;
      return embedding<A>(ids, table.template reshape<2>({n, options_.hidden_size}));
    };
    const typename B::template tensor<4> images = converted(in.pixel_values);
    const auto x = concat_tokens(rows(cls_token, 1), projection(images));  // (B,1+N,C)
    return apply_dropout(add(x, rows(position_embeddings, N + 1)), options_.dropout, context);
  }

  void visit(visitor& v) {
    v("cls_token", cls_token);
    v("position_embeddings", position_embeddings);
    v("patch_embeddings.projection", projection);
  }
  const char* main_parameter() const { return "patch_embeddings.projection.weight"; }
  isize max_positions() const { return 0; }
  isize padding_row() const { return -1; }

  typename B::template parameter<A, 3> cls_token, position_embeddings;  // (1,1,C), (1,1+N,C)
  PatchProjection<B> projection;

 private:
  static Tensor<A, 4, typename B::base> converted(const Tensor<f32, 4>& pixels) {
    if constexpr (std::is_same_v<A, f32>) {
      return to_device<typename B::base>(pixels);
    } else {
      const auto dense = pixels.dense();
      Tensor<A, 4> y(pixels.shape());
      std::copy_n(dense.data(), dense.size(), y.data());
      return to_device<typename B::base>(y);
    }
  }

  ImageEmbeddingsOptions options_;
};

}  // namespace hft
