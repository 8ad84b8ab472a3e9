// linear and linears on a device that records. Weights of block formats, and all that lie on the base device, are
// constants: gradients flow through them to x.
//
// A weight in half precision that is tracked is the cast of an f32 master, by its type or by autocast, and its products
// are in half precision, too: x and the incoming gradient are rounded to its dtype, sums are f32. What is saved of x is
// the rounded one.
#pragma once
#include <algorithm>
#include <array>

#include <hft/autodiff.hpp>
#include <hft/ops/autodiff/elementwise.hpp>
#include <hft/ops/cpu/linear_backward.hpp>
#include <hft/ops/cpu/linear_half.hpp>
#include <hft/ops/linear.hpp>

namespace hft {

namespace detail {

template <class W>
inline constexpr bool is_half_master = false;
template <class D>
inline constexpr bool is_half_master<Tensor<bf16, 2, autodiff<D>>> = true;
template <class D>
inline constexpr bool is_half_master<Tensor<f16, 2, autodiff<D>>> = true;

// A weight that may be, or hold, f32, which autocast takes in half precision.
template <class W>
inline constexpr bool is_master = false;
template <class D>
inline constexpr bool is_master<Tensor<f32, 2, autodiff<D>>> = true;
template <class D>
inline constexpr bool is_master<Tensor<any_q, 2, autodiff<D>>> = true;
template <class W>
bool casts(const W& weight) {
  if constexpr (is_master<W>)
    return autocast_dtype() && weight.value().format() == dtype_id::f32;
  else
    return false;
}

template <class Half, class W, std::size_t N>
auto cast_all(const std::array<W, N>& weights) {
  std::array<Tensor<Half, 2, typename W::device>, N> out;
  for (std::size_t i = 0; i < N; ++i) out[i] = cast<Half>(weights[i]);
  return out;
}

// x in half precision, dense.
template <class Half, std::size_t R, BaseDevice D>
Tensor<Half, R, D> rounded(const Tensor<f32, R, D>& x) {
  static_assert(D::host_memory, "hft: x is rounded on the host");
  const auto from = x.dense();
  Tensor<Half, R, D> y(x.shape());
  const isize cols = y.extent(R - 1);
  convert_rows(dtype<Half>::id, y.data(), dtype_id::f32, from.data(), cols ? y.size() / cols : 0, cols);
  return y;
}

template <class Y, class X, class Saved, class W, class Bias>
auto record_linear(Y y, const X& x, Saved saved, const W& weight, const Bias& bias) {
  using D = typename Y::device;
  using A = typename Y::dtype_t;
  constexpr bool half = is_half_master<W>;
  const auto ex = edge(x);
  const auto ew = edge(weight);
  const auto eb = edge(bias);
  using saved_w = std::decay_t<decltype(value(weight))>;
  return record(
      "linear", std::move(y),
      [ex, ew, eb, shape = x.shape(), w_shape = weight.shape(), xv = ew ? std::move(saved) : Saved(),
       wv = ex ? value(weight) : saved_w()](const auto& dy) {
        const matrix<const A> g = dy.rows();
        if (ex)
          ex->accumulate_by(shape, [&](const auto& dx, bool add) {
            if constexpr (half)
              linear_half_input_gradient_kernel(D{}, dx.rows(), g, wv.weight_rows(), add);
            else
              linear_input_gradient_kernel(D{}, dx.rows(), g, wv.weight_rows(), add);
          });
        if (ew)
          ew->accumulate_by(w_shape, [&](const auto& dw, bool add) {
            const auto rows = xv.collapsible();
            using T = typename Saved::dtype_t;
            if constexpr (half)
              linear_half_weight_gradient_kernel<T>(D{}, dw.rows(), g, matrix<const T>(rows.rows()), add);
            else
              linear_weight_gradient_kernel(D{}, dw.rows(), g, matrix<const T>(rows.rows()), add);
          });
        if (eb)
          eb->accumulate_by(Shape<1>{g.cols},
                            [&](const auto& db, bool add) { column_sums_kernel(D{}, db.data(), g, add); });
      },
      ex, ew, eb);
}

// Products in half precision, with masters.
template <class X, class Half, BaseDevice D, class Bias, std::size_t N>
auto half_linears(const X& x, const std::array<Tensor<Half, 2, autodiff<D>>, N>& weights,
                  const std::array<Bias, N>& biases) {
  using inner = std::decay_t<decltype(value(x))>;
  const auto xh = rounded<Half>(value(x));
  std::array<inner, N> y;
  std::array<matrix<f32>, N> y_rows;
  std::array<weight_matrix<Half>, N> w;
  std::array<const f32*, N> b;
  for (std::size_t i = 0; i < N; ++i) {
    check_linear(value(x), value(weights[i]), value(biases[i]));
    y[i] = inner(with_last(x.shape(), weights[i].extent(0)));
    y_rows[i] = y[i].rows();
    w[i] = value(weights[i]).weight_rows();
    b[i] = value(biases[i]).data();
  }
  linears_half_kernel(D{}, y_rows, matrix<const Half>(xh.rows()), w, b);
  std::array<Tensor<f32, inner::rank, autodiff<D>>, N> out;
  for (std::size_t i = 0; i < N; ++i) out[i] = record_linear(y[i], x, xh, weights[i], biases[i]);
  return out;
}

}  // namespace detail

template <class X, class W, class Bias, class E = isize>
requires AnyTracked<X, W, Bias>
auto linear(const X& x, const W& weight, const Bias& bias, E k = {}) {
  if constexpr (detail::is_half_master<W>) {
    return detail::half_linears(x, std::array{weight}, std::array{bias})[0];
  } else {
    if constexpr (detail::is_master<W>)
      if (detail::casts(weight))
        return detail::with_autocast([&]<class H>(std::type_identity<H>) { return linear(x, cast<H>(weight), bias); });
    return detail::record_linear(linear(value(x), value(weight), value(bias), k), x, value(x), weight, bias);
  }
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
  if constexpr (detail::is_half_master<W>) {
    return detail::half_linears(x, weights, biases);
  } else {
    if constexpr (detail::is_master<W>)
      if (std::all_of(weights.begin(), weights.end(), detail::casts<W>))
        return detail::with_autocast(
            [&]<class H>(std::type_identity<H>) { return linears(x, detail::cast_all<H>(weights), biases); });
    using inner = std::decay_t<decltype(value(x))>;
    const auto values = []<class T>(const std::array<T, N>& all) {
      std::array<std::decay_t<decltype(value(all[0]))>, N> v;
      for (std::size_t i = 0; i < N; ++i) v[i] = value(all[i]);
      return v;
    };
    const auto y = linears(value(x), values(weights), values(biases));
    std::array<Tensor<typename inner::dtype_t, inner::rank, autodiff<typename inner::device>>, N> out;
    for (std::size_t i = 0; i < N; ++i)
      out[i] = detail::casts(weights[i]) ? linear(x, weights[i], biases[i])
                                         : detail::record_linear(y[i], x, value(x), weights[i], biases[i]);
    return out;
  }
}

}  // namespace hft
