// ImageEmbeddings: an image's patches as tokens, behind a class token, with learned positions.
#pragma once
#include <algorithm>
#include <optional>
#include <vector>

#include <hft/layers/begin_pass.hpp>
#include <hft/layers/build.hpp>
#include <hft/layers/dropout.hpp>
#include <hft/layers/interpolated_positions.hpp>
#include <hft/module.hpp>
#include <hft/ops/concat_tokens.hpp>
#include <hft/ops/elementwise.hpp>
#include <hft/ops/embedding.hpp>
#include <hft/ops/linear.hpp>
#include <hft/ops/patches.hpp>
#include <hft/ops/replace.hpp>
#include <hft/ops/take_rows.hpp>

namespace hft {

struct ImageEmbeddingsOptions {
  isize hidden_size, channels;
  isize height, width;              // of an image, in pixels
  isize patch_height, patch_width;  // of a patch
  f64 dropout = 0;
  bool mask_token = false;  // whether patches may be hidden: one row stands in their place

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
    return of_patches(patches(images, weight.extent(2), weight.extent(3)));
  }
  /// (B,N,C*p*q) => (B,N,out)
  template <class X>
  auto of_patches(const X& rows) const {
    const isize out = weight.extent(0);
    return linear(rows, weight.template reshape<2>({out, rows.extent(2)}), bias);
  }
  void visit(visitor& v) {
    v("weight", weight);
    v("bias", bias);
  }

  typename B::template parameter<typename B::activation, 4> weight;  // (out,C,p,q)
  typename B::template parameter<typename B::activation, 1> bias;    // (out)
};

/// Checkpoint names: cls_token, mask_token, patch_embeddings.projection, position_embeddings.
/// (transformers.ViTEmbeddings)
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
        options_(o) {
    if (o.mask_token) mask_token = decltype(mask_token)::unallocated({1, 1, o.hidden_size});
  }

  /// The context of a pass over `in`. Throws shape_error for images of another size, with interpolate_pos_encoding of
  /// less than a patch; value_error for arguments of models over tokens, and for hidden patches without a mask token.
  template <Scalar Activation, Device D>
  ForwardContext<Activation, D> begin(const char* where, const ImageInputs& in,
                                      const ForwardArgs<Activation, D>& args) const {
    if (args.attention_mask || args.position_ids || args.token_type_ids)
      throw value_error(where, "arguments", "pixel_values alone", "those of tokens");
    const auto& shape = in.pixel_values.shape();
    const auto& o = options_;
    const bool fits = in.interpolate_pos_encoding ? shape[2] >= o.patch_height && shape[3] >= o.patch_width
                                                  : shape[2] == o.height && shape[3] == o.width;
    if (shape[0] < 1 || shape[1] != o.channels || !fits) {
      const char* least = in.interpolate_pos_encoding ? "at least " : "";
      throw shape_error(where, "pixel_values",
                        detail::joined("(batch, ", o.channels, ", ", least, *least ? o.patch_height : o.height, ", ",
                                       least, *least ? o.patch_width : o.width, ")"),
                        detail::shape_text(shape));
    }
    if (resized(in) && (o.patch_height != o.patch_width || o.height / o.patch_height != o.width / o.patch_width))
      throw unsupported_error(where, "interpolate_pos_encoding", "positions of a square of square patches",
                              detail::joined(o.height / o.patch_height, " x ", o.width / o.patch_width));
    const isize N = down(in) * across(in);
    if (in.bool_masked_pos && !o.mask_token)
      throw value_error(where, "bool_masked_pos", "none: the model has no mask token");
    if (in.bool_masked_pos && in.bool_masked_pos.shape() != Shape<2>{shape[0], N})
      throw shape_error(where, "bool_masked_pos", detail::shape_text(Shape<2>{shape[0], N}),
                        detail::shape_text(in.bool_masked_pos.shape()));
    auto context = begin_pass(args);
    context.key_length = N + 1;
    return context;
  }

  /// Images (B,C,H,W) => (B,1+N,C)
  template <class Context>
  auto operator()(const ImageInputs& in, Context& context) const {
    const isize B_ = in.pixel_values.extent(0), C = options_.hidden_size;
    const auto rows = [&](const auto& table, isize n) {  // the same n tokens for each image
      Tensor<i64, 2> ids({B_, n});
      for (isize i = 0; i < ids.size(); ++i) ids.data()[i] = i % n;
      return embedding<A>(ids, table.template reshape<2>({n, C}));
    };
    const typename B::template tensor<4> images = converted(in.pixel_values);
    auto seen = projection(images);  // (B,N,C)
    if (in.bool_masked_pos) {
      const auto hidden = in.bool_masked_pos.dense();
      std::vector<i64> slots(std::size_t(hidden.size()));
      std::transform(hidden.data(), hidden.data() + hidden.size(), slots.begin(), [](i64 h) { return h ? 0 : -1; });
      using Rows = typename B::template tensor<2>;
      const Rows row = embedding<A>(Tensor<i64, 2>::zeros({1, 1}), mask_token.template reshape<2>({1, C}))
                           .template reshape<2>({1, C});
      seen = replace_rows(seen, slots, row);
    }
    const auto x = concat_tokens(rows(cls_token, 1), seen);  // (B,1+N,C)
    return apply_dropout(add(x, positions(in, rows)), options_.dropout, context);
  }

  void visit(visitor& v) {
    v("cls_token", cls_token);
    if (mask_token.extent(0)) v("mask_token", mask_token);
    v("position_embeddings", position_embeddings);
    v("patch_embeddings.projection", projection);
  }
  const char* main_parameter() const { return "patch_embeddings.projection.weight"; }
  isize max_positions() const { return 0; }
  isize padding_row() const { return -1; }

  typename B::template parameter<A, 3> cls_token, mask_token, position_embeddings;  // (1,1,C), so or empty, (1,1+N,C)
  PatchProjection<B> projection;

 private:
  isize down(const ImageInputs& in) const { return in.pixel_values.extent(2) / options_.patch_height; }
  isize across(const ImageInputs& in) const { return in.pixel_values.extent(3) / options_.patch_width; }
  // As Transformers has it, images that are no squares are resized even where they have as many patches.
  bool resized(const ImageInputs& in) const {
    return in.interpolate_pos_encoding &&
           (down(in) * across(in) != options_.patches() || in.pixel_values.extent(2) != in.pixel_values.extent(3));
  }
  // (B,1+N,C)
  template <class Rows>
  auto positions(const ImageInputs& in, const Rows& rows) const {
    const isize B_ = in.pixel_values.extent(0), n = down(in) * across(in) + 1, C = options_.hidden_size;
    auto own = [&] { return rows(position_embeddings, options_.patches() + 1); };
    if (!resized(in)) return own();
    const auto table = position_embeddings.template reshape<2>({options_.patches() + 1, C});
    const auto fitted = interpolated_positions<B>(table, options_.height / options_.patch_height, down(in), across(in));
    std::vector<isize> of_each(std::size_t(B_ * n));
    for (std::size_t i = 0; i < of_each.size(); ++i) of_each[i] = isize(i) % n;
    return decltype(own())(take_rows(fitted, of_each).template reshape<3>({B_, n, C}));
  }
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
