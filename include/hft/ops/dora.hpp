// dora: what a weight-decomposed adapter makes of a linear layer's result (Liu et al. 2024, arXiv 2402.09353).
#pragma once
#include <hft/parallel.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// out = y + (magnitude / norm - 1) base + magnitude / norm low, column by column; base is z, or y - bias where z is
/// empty. out may be y. Rows (N, C); bias may be null.
template <class T>
void dora_kernel(cpu, matrix<T> out, matrix<const T> y, matrix<const T> z, const T* bias, matrix<const T> low,
                 const T* magnitude, const T* norm) {
  parallel_for(y.rows, 16, [&](isize begin, isize end) {
    for (isize i = begin; i < end; ++i)
      for (isize c = 0; c < y.cols; ++c) {
        const T s = magnitude[c] / norm[c];
        const T base = z.data ? z.row(i)[c] : bias ? y.row(i)[c] - bias[c] : y.row(i)[c];
        out.row(i)[c] = y.row(i)[c] + (s - 1) * base + s * low.row(i)[c];
      }
  });
}

/// The result y (..., C) of a layer W x + bias, and low (..., C), which its adapter adds to W x, with the columns
/// rescaled from their norm (C) to a magnitude (C):
///   y + (magnitude / norm - 1) (y - bias) + magnitude / norm low
/// Where z is not empty, it takes the place of y - bias. Throws shape_error unless the shapes agree.
template <Scalar A, std::size_t R, BaseDevice D>
Tensor<A, R, D> dora(const Tensor<A, R, D>& y, const Tensor<A, R, D>& z, const Tensor<A, 1, D>& bias,
                     const Tensor<A, R, D>& low, const Tensor<A, 1, D>& magnitude, const Tensor<A, 1, D>& norm) {
  const isize C = y.extent(R - 1);
  if (low.shape() != y.shape() || (z && z.shape() != y.shape()) || magnitude.size() != C || norm.size() != C ||
      (bias && bias.size() != C))
    throw shape_error("dora", "", detail::joined("two results of one shape and a magnitude of their columns"),
                      detail::joined(detail::shape_text(y.shape()), ", ", detail::shape_text(low.shape()), " and ",
                                     magnitude.size()));
  const auto dy = y.collapsible(), dlow = low.collapsible();
  const auto dz = z ? z.collapsible() : z;
  Tensor<A, R, D> out(y.shape());
  if (out.size())
    dora_kernel(D{}, out.rows(), matrix<const A>(dy.rows()),
                z ? matrix<const A>(dz.rows()) : matrix<const A>{nullptr, 0, 0, 0}, bias ? bias.data() : nullptr,
                matrix<const A>(dlow.rows()), magnitude.data(), norm.data());
  return out;
}

}  // namespace hft
