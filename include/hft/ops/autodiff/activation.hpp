// activate, gated and softmax on a device that records.
#pragma once
#include <hft/autodiff.hpp>
#include <hft/ops/activation.hpp>
#include <hft/ops/cpu/activation_backward.hpp>
#include <hft/ops/cpu/softmax_backward.hpp>
#include <hft/ops/softmax.hpp>

namespace hft {

template <Scalar A, std::size_t R, BaseDevice D>
Tensor<A, R, autodiff<D>> activate(const Tensor<A, R, autodiff<D>>& x, Activation f) {
  const auto e = detail::edge(x);
  return detail::record(
      "activate", activate(x.value(), f),
      [e, f, xv = x.value()](const auto& dy) {
        e->accumulate_by(xv.shape(), [&](const auto& dx, bool add) {
          const auto dense = xv.collapsible();
          activation_backward_kernel(D{}, dx.rows(), matrix<const A>(dy.rows()), matrix<const A>(dense.rows()), f, add);
        });
      },
      e);
}

template <class X, class Y>
requires AnyTracked<X, Y>
auto gated(const X& gate, const Y& up, Activation f) {
  const auto eg = detail::edge(gate);
  const auto eu = detail::edge(up);
  return detail::record(
      "gated", gated(value(gate), value(up), f),
      [eg, eu, f, gv = value(gate), uv = value(up)](const auto& dy) {
        using T = std::decay_t<decltype(dy)>;
        using A = typename T::dtype_t;
        const auto g = gv.collapsible(), u = uv.collapsible();
        const T dgate(gv.shape()), dup(gv.shape());
        gated_activation_backward_kernel(typename T::device{}, dgate.rows(), dup.rows(), matrix<const A>(dy.rows()),
                                         matrix<const A>(g.rows()), matrix<const A>(u.rows()), f);
        detail::send(eg, dgate);
        detail::send(eu, dup);
      },
      eg, eu);
}

template <Scalar A, std::size_t R, BaseDevice D>
Tensor<A, R, autodiff<D>> softmax(const Tensor<A, R, autodiff<D>>& x) {
  const auto e = detail::edge(x);
  const auto y = softmax(x.value());
  return detail::record(
      "softmax", y,
      [e, y](const auto& dy) {
        const Tensor<A, R, D> dx(y.shape());
        softmax_backward_kernel(D{}, dx.rows(), matrix<const A>(dy.rows()), matrix<const A>(y.rows()));
        detail::send(e, dx);
      },
      e);
}

}  // namespace hft
