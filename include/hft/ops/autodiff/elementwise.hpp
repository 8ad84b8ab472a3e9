// add, mul, mul_rows, scale on a device that records; and cast, which lets half-precision products train f32 masters.
#pragma once
#include <hft/autodiff.hpp>
#include <hft/ops/cpu/linear_backward.hpp>
#include <hft/ops/elementwise.hpp>
#include <hft/quantization/convert.hpp>

namespace hft {

template <class X, class Y>
requires AnyTracked<X, Y>
auto add(const X& a, const Y& b) {
  const auto ea = detail::edge(a);
  const auto eb = detail::edge(b);
  return detail::record(
      "add", add(value(a), value(b)),
      [ea, eb](const auto& dy) {
        detail::send(ea, dy);
        detail::send(eb, dy);
      },
      ea, eb);
}

template <class X, class Y>
requires AnyTracked<X, Y>
auto mul(const X& a, const Y& b) {
  const auto ea = detail::edge(a);
  const auto eb = detail::edge(b);
  return detail::record(
      "mul", mul(value(a), value(b)),
      [ea, eb, av = eb ? value(a) : decltype(value(a).clone())(),
       bv = ea ? value(b) : decltype(value(b).clone())()](const auto& dy) {
        if (ea) detail::send(ea, mul(dy, bv));
        if (eb) detail::send(eb, mul(dy, av));
      },
      ea, eb);
}

template <class X, class W>
requires AnyTracked<X, W>
auto mul_rows(const X& x, const W& w) {
  const auto ex = detail::edge(x);
  const auto ew = detail::edge(w);
  return detail::record(
      "mul_rows", mul_rows(value(x), value(w)),
      [ex, ew, xv = value(x), wv = value(w)](const auto& dy) {
        using G = std::decay_t<decltype(dy)>;
        if (ex) detail::send(ex, mul_rows(dy, wv));
        if (ew)
          ew->accumulate_by(wv.shape(), [&](const auto& dw, bool add) {
            const auto products = mul(dy, xv);
            column_sums_kernel(typename G::device{}, dw.data(), matrix<const typename G::dtype_t>(products.rows()),
                               add);
          });
      },
      ex, ew);
}

template <class X>
requires AnyTracked<X>
auto scale(const X& x, f64 s) {
  const auto e = detail::edge(x);
  return detail::record(
      "scale", scale(value(x), s), [e, s](const auto& dy) { detail::send(e, scale(dy, s)); }, e);
}

/// x, which is f32 or any_q that holds it, in half precision. Its gradient is x's, as it comes: in f32.
template <class Half, class T, std::size_t R, BaseDevice D>
requires((std::is_same_v<Half, bf16> || std::is_same_v<Half, f16>)&&(
    std::is_same_v<T, f32> ||
    std::is_same_v<T, any_q>)) Tensor<Half, R, autodiff<D>> cast(const Tensor<T, R, autodiff<D>>& x) {
  static_assert(D::host_memory, "hft: cast converts on the host");
  const auto from = x.value().dense();
  Tensor<Half, R, D> y(x.shape());
  convert_rows(dtype<Half>::id, y.data(), dtype_id::f32, from.data(), y.size() / std::max<isize>(1, y.extent(R - 1)),
               y.extent(R - 1));
  return {std::move(y), x.history()};
}

}  // namespace hft
