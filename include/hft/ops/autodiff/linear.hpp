// linear and linears on a device that records. Weights of block formats, and all that lie on the base device, are
// constants: gradients flow through them to x.
#pragma once
#include <array>

#include <hft/autodiff.hpp>
#include <hft/ops/cpu/linear_backward.hpp>
#include <hft/ops/linear.hpp>

namespace hft {

namespace detail {

template <class Y, class X, class W, class Bias>
auto record_linear(Y y, const X& x, const W& weight, const Bias& bias) {
  using D = typename Y::device;
  using A = typename Y::dtype_t;
  const auto ex = edge(x);
  const auto ew = edge(weight);
  const auto eb = edge(bias);
  using saved_x = std::decay_t<decltype(value(x))>;
  using saved_w = std::decay_t<decltype(value(weight))>;
  return record(
      "linear", std::move(y),
      [ex, ew, eb, shape = x.shape(), w_shape = weight.shape(), xv = ew ? value(x) : saved_x(),
       wv = ex ? value(weight) : saved_w()](const auto& dy) {
        const matrix<const A> g = dy.rows();
        if (ex)
          ex->accumulate_by(shape, [&](const auto& dx, bool add) {
            linear_input_gradient_kernel(D{}, dx.rows(), g, wv.weight_rows(), add);
          });
        if (ew)
          ew->accumulate_by(w_shape, [&](const auto& dw, bool add) {
            const auto rows = xv.collapsible();
            linear_weight_gradient_kernel(D{}, dw.rows(), g, matrix<const A>(rows.rows()), add);
          });
        if (eb)
          eb->accumulate_by(Shape<1>{g.cols},
                            [&](const auto& db, bool add) { column_sums_kernel(D{}, db.data(), g, add); });
      },
      ex, ew, eb);
}

}  // namespace detail

template <class X, class W, class Bias, class E = isize>
requires AnyTracked<X, W, Bias>
auto linear(const X& x, const W& weight, const Bias& bias, E k = {}) {
  return detail::record_linear(linear(value(x), value(weight), value(bias), k), x, weight, bias);
}
template <class X, class W>
requires AnyTracked<X, W>
auto linear(const X& x, const W& weight) {
  using inner = std::decay_t<decltype(value(x))>;
  return linear(x, weight, Tensor<typename inner::dtype_t, 1, typename inner::device>());
}

template <class X, class W, class Bias, std::size_t N>
requires AnyTracked<X, W, Bias>
auto linears(const X& x, const std::array<W, N>& weights, const std::array<Bias, N>& biases) {
  using inner = std::decay_t<decltype(value(x))>;
  const auto values = []<class T>(const std::array<T, N>& all) {
    std::array<std::decay_t<decltype(value(all[0]))>, N> v;
    for (std::size_t i = 0; i < N; ++i) v[i] = value(all[i]);
    return v;
  };
  const auto y = linears(value(x), values(weights), values(biases));
  std::array<Tensor<typename inner::dtype_t, inner::rank, autodiff<typename inner::device>>, N> out;
  for (std::size_t i = 0; i < N; ++i) out[i] = detail::record_linear(y[i], x, weights[i], biases[i]);
  return out;
}

}  // namespace hft
