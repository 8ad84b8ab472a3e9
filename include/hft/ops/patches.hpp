// patches: images as rows of patches that do not overlap. (B,C,H,W) => (B,N,C*p*q). image_of_patches: and back.
//
// A convolution whose stride is its kernel is a linear layer over them: Conv2d's weight (out,C,p,q) read as
// (out, C*p*q). It is how vision transformers embed images (Dosovitskiy et al. 2020, arXiv 2010.11929).
#pragma once
#include <hft/ops/cpu/patches.hpp>
#include <hft/tensor.hpp>

namespace hft {

namespace detail {
template <class Image>
patch_grid grid_of(const Image& x, isize p, isize q) {
  if (p < 1 || q < 1) throw value_error("patches", "patch", "at least 1 x 1 pixels", joined(p, " x ", q));
  if (x.extent(2) < p || x.extent(3) < q)
    throw shape_error("patches", "images", joined("at least ", p, " x ", q, " pixels, one patch"),
                      shape_text(x.shape()));
  return {x.extent(0), x.extent(1), x.extent(2), x.extent(3), p, q};
}
template <class Rows>
patch_grid grid_of_rows(const Rows& x, isize side, isize p) {
  if (p < 1 || side < 1 || x.extent(1) != side * side || x.extent(2) % (p * p))
    throw shape_error("image_of_patches", "patches", joined("(batch, ", side * side, ", channels * ", p, " * ", p, ")"),
                      shape_text(x.shape()));
  return {x.extent(0), x.extent(2) / (p * p), side * p, side * p, p, p};
}
}  // namespace detail

/// The patches of p x q pixels, row by row: (B,C,H,W) => (B,N,C*p*q), N = floor(H/p) * floor(W/q). What is left over at
/// the right and below is dropped, as Conv2d drops it.
/// Throws value_error for a patch without pixels, shape_error for images smaller than one.
template <Scalar A, BaseDevice D>
Tensor<A, 3, D> patches(const Tensor<A, 4, D>& x, isize p, isize q) {
  const auto grid = detail::grid_of(x, p, q);
  const auto dense = x.dense();
  Tensor<A, 3, D> y({grid.batch, grid.down() * grid.across(), grid.channels * p * q});
  patches_kernel(D{}, y.data(), static_cast<const A*>(dense.data()), grid);
  return y;
}

/// The image of side x side patches of p x p pixels, row by row: (B,side*side,C*p*p) => (B,C,side*p,side*p). Throws
/// shape_error. (torch.nn.PixelShuffle, of channels behind the places)
template <Scalar A, BaseDevice D>
Tensor<A, 4, D> image_of_patches(const Tensor<A, 3, D>& x, isize side, isize p) {
  const auto grid = detail::grid_of_rows(x, side, p);
  const auto dense = x.dense();
  Tensor<A, 4, D> y({grid.batch, grid.channels, grid.height, grid.width});
  patches_backward_kernel(D{}, y.data(), static_cast<const A*>(dense.data()), grid, false);
  return y;
}

}  // namespace hft
