// linear: y = x W^T + b, the product of every projection.
//
//   linear    (..., K) x (N, K) [+ (N)] => (..., N)
//   linears   several products of one x, which is read once
//   prepare_linear   lays a weight out for many of them
#pragma once
#include <array>

#include <hft/ops/cpu/linear.hpp>
#include <hft/tensor.hpp>

namespace hft {

namespace detail {
template <class X, class W, class Bias>
void check_linear(const X& x, const W& weight, const Bias& bias) {
  const isize last = x.extent(X::rank - 1);
  if (last != weight.extent(1))
    throw shape_error("linear", "",
                      joined("x (..., ", weight.extent(1), ") to match weight ", shape_text(weight.shape())),
                      shape_text(x.shape()));
  if (bias && bias.extent(0) != weight.extent(0))
    throw shape_error("linear", "bias", joined("(", weight.extent(0), ")"), shape_text(bias.shape()));
}
// The memory of x weight^T + bias, which fit each other.
template <class X, class W, class Bias>
X linear_result(const X& x, const W& weight, const Bias& bias) {
  check_linear(x, weight, bias);
  return X(with_last(x.shape(), weight.extent(0)));
}
}  // namespace detail

/// y = x weight^T + bias.
///   x (..., K), weight (N, K) of any weight dtype, bias (N) or empty; returns (..., N).
/// `k` may give K as Int<K>, for a specialised kernel. Throws shape_error. (torch.nn.functional.linear)
template <Scalar A, std::size_t R, WeightDtype W, BaseDevice D, class E = isize>
Tensor<A, R, D> linear(const Tensor<A, R, D>& x, const Tensor<W, 2, D>& weight, const Tensor<A, 1, D>& bias = {},
                       E k = {}) {
  auto y = detail::linear_result(x, weight, bias);
  if constexpr (std::is_same_v<E, isize>) k = weight.extent(1);
  const auto rows = x.collapsible();
  linear_kernel(D{}, y.rows(), matrix<const A>(rows.rows()), weight.weight_rows(), bias.data(), k);
  return y;
}

/// Several products of one x: y_i = x weight_i^T + bias_i. Where the weights are quantised, x is quantised once.
template <Scalar A, std::size_t R, WeightDtype W, BaseDevice D, std::size_t N>
std::array<Tensor<A, R, D>, N> linears(const Tensor<A, R, D>& x, const std::array<Tensor<W, 2, D>, N>& weights,
                                       const std::array<Tensor<A, 1, D>, N>& biases) {
  const auto rows = x.collapsible();
  std::array<Tensor<A, R, D>, N> y;
  std::array<matrix<A>, N> y_rows;
  std::array<weight_matrix<W>, N> w;
  std::array<const A*, N> b;
  for (std::size_t i = 0; i < N; ++i) {
    y[i] = detail::linear_result(x, weights[i], biases[i]);
    y_rows[i] = y[i].rows();
    w[i] = weights[i].weight_rows();
    b[i] = biases[i].data();
  }
  linears_kernel(D{}, y_rows, matrix<const A>(rows.rows()), w, b);
  return y;
}

/// A device without a layout of its own leaves weights as they are.
template <class D, class W>
void prepare_linear_kernel(D, const buffer&, weight_matrix<W>) {}

/// Lets the device keep a weight (N, K) in the layout that its products read best, beside the weight itself and as long
/// as it: worth it for a weight that meets many x. Not while another thread uses the weight, which must not be written
/// any more; copies of the handle share the layout.
template <WeightDtype W, BaseDevice D>
void prepare_linear(const Tensor<W, 2, D>& weight) {
  if (weight && weight.contiguous() && !weight.memory().companion())
    prepare_linear_kernel(D{}, weight.memory(), weight.weight_rows());
}

#define HFT_OF_WEIGHT(W)                                                                                           \
  HFT_COMPILED_IN(KERNELS,                                                                                         \
                  Tensor<f32, 2> linear(const Tensor<f32, 2>&, const Tensor<W, 2>&, const Tensor<f32, 1>&, isize)) \
  HFT_COMPILED_IN(KERNELS,                                                                                         \
                  Tensor<f32, 3> linear(const Tensor<f32, 3>&, const Tensor<W, 2>&, const Tensor<f32, 1>&, isize)) \
  HFT_COMPILED_IN(KERNELS,                                                                                         \
                  std::array<Tensor<f32, 3>, 2> linears(const Tensor<f32, 3>&, const std::array<Tensor<W, 2>, 2>&, \
                                                        const std::array<Tensor<f32, 1>, 2>&))                     \
  HFT_COMPILED_IN(KERNELS,                                                                                         \
                  std::array<Tensor<f32, 3>, 3> linears(const Tensor<f32, 3>&, const std::array<Tensor<W, 2>, 3>&, \
                                                        const std::array<Tensor<f32, 1>, 3>&))                     \
  HFT_COMPILED_IN(KERNELS, void prepare_linear(const Tensor<W, 2>&))
HFT_OF_WEIGHT(f32)
HFT_OF_WEIGHT(bf16)
HFT_OF_WEIGHT(any_q)
#undef HFT_OF_WEIGHT

}  // namespace hft
