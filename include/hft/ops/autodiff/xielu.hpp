// xielu on a device that records.
#pragma once
#include <hft/autodiff.hpp>
#include <hft/ops/xielu.hpp>

namespace hft {

/// beta and eps are constants.
template <class X, class P, class N, class C>
requires AnyTracked<X, P, N>
auto xielu(const X& x, const P& p, const N& n, const C& beta, const C& eps) {
  const auto ex = detail::edge(x);
  const auto ep = detail::edge(p);
  const auto en = detail::edge(n);
  return detail::record(
      "xielu", xielu(value(x), value(p), value(n), beta, eps),
      [ex, ep, en, xv = value(x), pv = value(p), nv = value(n), beta, eps](const auto& dy) {
        using T = std::decay_t<decltype(dy)>;
        using A = typename T::dtype_t;
        using D = typename T::device;
        const auto dense = xv.collapsible();
        const T dx(xv.shape());
        const Tensor<A, 1, D> dp({1}), dn({1});
        xielu_backward_kernel(D{}, dx.rows(), dp.data(), dn.data(), matrix<const A>(dy.rows()),
                              matrix<const A>(dense.rows()), pv.data(), nv.data(), beta.data(), eps.data());
        detail::send(ex, dx);
        detail::send(ep, dp);
        detail::send(en, dn);
      },
      ex, ep, en);
}

}  // namespace hft
