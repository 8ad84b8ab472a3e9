// linear: y = x W^T + b, the product of every projection.
//
//   (..., K) x (N, K) [+ (N)] => (..., N)
#pragma once
#include <array>

#include <hft/ops/cpu/linear.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// y = x weight^T + bias.
///   x (..., K), weight (N, K) of any weight dtype, bias (N) or empty; returns (..., N).
/// `k` may give K as Int<K>, for a specialised kernel. Throws shape_error. (torch.nn.functional.linear)
template <Scalar A, std::size_t R, WeightDtype W, BaseDevice D, class E = isize>
Tensor<A, R, D> linear(const Tensor<A, R, D>& x, const Tensor<W, 2, D>& weight, const Tensor<A, 1, D>& bias = {},
                       E k = {}) {
  return linears(x, std::array{weight}, std::array{bias}, k)[0];
}

/// Several products of one x, which is read (and quantised, where the weights are) once:
///   y_i = x weight_i^T + bias_i.
template <Scalar A, std::size_t R, WeightDtype W, BaseDevice D, std::size_t N, class E = isize>
std::array<Tensor<A, R, D>, N> linears(const Tensor<A, R, D>& x, const std::array<Tensor<W, 2, D>, N>& weights,
                                       const std::array<Tensor<A, 1, D>, N>& biases, E k = {}) {
  std::array<Tensor<A, R, D>, N> y;
  std::array<matrix<A>, N> y_rows;
  std::array<weight_matrix<W>, N> w_rows;
  std::array<const A*, N> b;
  for (std::size_t i = 0; i < N; ++i) {
    const auto& w = weights[i];
    if (x.extent(R - 1) != w.extent(1))
      throw shape_error("linear", "",
                        detail::cat("x (..., ", w.extent(1), ") to match weight ", detail::shape_text(w.shape())),
                        detail::shape_text(x.shape()));
    if (biases[i] && biases[i].extent(0) != w.extent(0))
      throw shape_error("linear", "bias", detail::cat("(", w.extent(0), ")"), detail::shape_text(biases[i].shape()));
    y[i] = Tensor<A, R, D>(with_last(x.shape(), w.extent(0)));
    y_rows[i] = y[i].rows();
    w_rows[i] = w.weight_rows();
    b[i] = biases[i].data();
  }
  const auto dense = x.collapsible();
  if constexpr (std::is_same_v<E, isize>) k = x.extent(R - 1);
  linears_kernel(D{}, y_rows, matrix<const A>(dense.rows()), w_rows, b, k);
  return y;
}

}  // namespace hft
