// ForMaskedImageModeling: finds the pixels of patches that were hidden. Xie et al. 2021, arXiv 2111.09886 (SimMIM).
#pragma once
#include <cmath>
#include <vector>

#include <hft/layers/image_embeddings.hpp>
#include <hft/models/heads/headed.hpp>
#include <hft/ops/patches.hpp>

namespace hft {

/// Of a head that makes an image of patches.
struct MaskedImageHeadOptions {
  isize hidden_size, channels;
  isize stride;  // pixels of the image for each patch, in each direction
};

template <Scalar A = f32, Device D = cpu>
struct MaskedImageModelingOutput {
  Tensor<A, 4, D> reconstruction = {};                          // (B,C,H,W)
  [[no_unique_address]] loss_t<A, D> loss = {};                 // where patches are masked
  std::vector<Tensor<A, 3, D>> hidden_states = {};              // (B,1+N,C) each, where asked for
  std::vector<Tensor<A, 4, typename D::base>> attentions = {};  // (B,H,1+N,1+N) each, where asked for

  template <class V>
  void fields(V& v) const {
    v("reconstruction", reconstruction);
    v("hidden_states", hidden_states);
    v("attentions", attentions);
  }
};

/// Checkpoint names: model, decoder.0. (transformers.ViTForMaskedImageModeling)
template <class Base>
class ForMaskedImageModeling : public Headed<Base> {
 public:
  using typename Headed<Base>::build_type, typename Headed<Base>::A, typename Headed<Base>::D,
      typename Headed<Base>::inputs;
  template <class Other>
  using on_build = ForMaskedImageModeling<typename Base::template on_build<Other>>;
  static constexpr const char* class_suffix = "ForMaskedImageModeling";

  struct options {
    typename Base::options base;
    MaskedImageHeadOptions head;
  };
  template <class Config>
  static options options_of(const Config& config) {
    options o{Base::options_of(config), config.masked_image_head()};
    o.base.pooler.reset();
    o.base.embeddings.mask_token = true;
    return o;
  }

  explicit ForMaskedImageModeling(const options& o)
      : Headed<Base>(o.base),
        decoder(o.head.hidden_size, o.head.channels * o.head.stride * o.head.stride, 1, 1),
        head_(o.head),
        patch_height_(o.base.embeddings.patch_height),
        patch_width_(o.base.embeddings.patch_width),
        where_(o.base.where) {}

  /// pixel_values (B,C,H,W), bool_masked_pos (B,N) => reconstruction (B,C,H',W'), stride pixels for each patch. Its
  /// loss is of the patches that are masked. Throws value_error for such where a patch is not as large, or N is no
  /// square.
  MaskedImageModelingOutput<A, D> operator()(const inputs& in, const ForwardArgs<A, D>& args = {}) const {
    const isize s = head_.stride;
    if (in.bool_masked_pos && (patch_height_ != s || patch_width_ != s))
      throw value_error(where_, "bool_masked_pos",
                        detail::joined("patches of encoder_stride x encoder_stride = ", s, " x ", s, " pixels"),
                        detail::joined(patch_height_, " x ", patch_width_));
    const auto base = this->model(in, args);
    const isize N = base.last_hidden_state.extent(1) - 1, side = isize(std::floor(std::sqrt(f64(N))));
    if (side * side != N)
      throw value_error(where_, "pixel_values", "an image of as many patches in a row as in a column",
                        detail::joined(N, " patches"));
    const auto found = decoder.of_patches(base.last_hidden_state.slice(1, 1, N + 1).dense());  // (B,N,C s s)
    MaskedImageModelingOutput<A, D> out{image_of_patches(found, side, s)};
    show_states(base, out);
    if constexpr (D::tracked)
      if (in.bool_masked_pos) out.loss = masked_image_loss(found, in.pixel_values, in.bool_masked_pos, s);
    return out;
  }

  void visit(visitor& v) override {
    Headed<Base>::visit(v);
    v("decoder.0", decoder);
  }

  PatchProjection<build_type> decoder;

 private:
  MaskedImageHeadOptions head_;
  isize patch_height_, patch_width_;
  const char* where_;
};

}  // namespace hft
