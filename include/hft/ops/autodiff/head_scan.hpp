// head_scan on a device that records. States are constants: no gradient flows from one part of a sequence to the one
// before. Those between are computed again.
#pragma once
#include <type_traits>
#include <utility>

#include <hft/autodiff.hpp>
#include <hft/ops/head_scan.hpp>

namespace hft {

template <Scalar T, BaseDevice Dev>
std::pair<Tensor<T, 4, autodiff<Dev>>, Tensor<T, 4, Dev>> head_scan(
    const Tensor<T, 4, autodiff<Dev>>& x, const Tensor<T, 3, autodiff<Dev>>& delta,
    const Tensor<T, 1, autodiff<Dev>>& A, const Tensor<T, 4, autodiff<Dev>>& B, const Tensor<T, 4, autodiff<Dev>>& C,
    const Tensor<T, 1, autodiff<Dev>>& D, const std::type_identity_t<Tensor<T, 4, Dev>>& state = {}) {
  const auto ex = detail::edge(x);
  const auto edelta = detail::edge(delta);
  const auto eA = detail::edge(A);
  const auto eB = detail::edge(B);
  const auto eC = detail::edge(C);
  const auto eD = detail::edge(D);
  const auto in =
      detail::head_scan_arguments_of(x.value(), delta.value(), A.value(), B.value(), C.value(), D.value(), state);
  const auto [y, last] = head_scan(x.value(), delta.value(), A.value(), B.value(), C.value(), D.value(), state);
  auto out = detail::record(
      "head_scan", y,
      [=](const auto& dy) {
        const Tensor<T, 4, Dev> dx(in.x.shape()), dB(in.in.shape()), dC(in.in.shape());
        const Tensor<T, 3, Dev> ddelta(in.delta.shape());
        const Tensor<T, 1, Dev> dA(in.decay.shape()), dD(in.decay.shape());
        const head_scan_gradients<T> to{heads(dx), ddelta.rows(), dA.data(), heads(dB), heads(dC), dD.data()};
        head_scan_backward_kernel(Dev{}, to, heads_view<const T>(heads(dy)), in.view());
        detail::send(ex, dx);
        detail::send(edelta, ddelta);
        detail::send(eA, dA);
        detail::send(eB, dB);
        detail::send(eC, dC);
        detail::send(eD, dD);
      },
      ex, edelta, eA, eB, eC, eD);
  return {std::move(out), last};
}

}  // namespace hft
