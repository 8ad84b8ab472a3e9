// selective_scan on a device that records. States are constants: no gradient flows from one part of a sequence to the
// one before. Of the states between, one in each chunk is saved.
#pragma once
#include <type_traits>
#include <utility>

#include <hft/autodiff.hpp>
#include <hft/ops/selective_scan.hpp>

namespace hft {

template <Scalar T, BaseDevice Dev>
std::pair<Tensor<T, 3, autodiff<Dev>>, Tensor<T, 3, Dev>> selective_scan(
    const Tensor<T, 3, autodiff<Dev>>& u, const Tensor<T, 3, autodiff<Dev>>& delta,
    const Tensor<T, 2, autodiff<Dev>>& A, const Tensor<T, 3, autodiff<Dev>>& B, const Tensor<T, 3, autodiff<Dev>>& C,
    const Tensor<T, 1, autodiff<Dev>>& D, const Tensor<T, 3, Dev>& state = {}) {
  const auto eu = detail::edge(u);
  const auto edelta = detail::edge(delta);
  const auto eA = detail::edge(A);
  const auto eB = detail::edge(B);
  const auto eC = detail::edge(C);
  const auto eD = detail::edge(D);
  detail::check_selective_scan(u, delta, A, B, C, D, state);
  const detail::scan_arguments<T, Dev> in(u.value(), delta.value(), A.value(), B.value(), C.value(), D.value(), state);
  Tensor<T, 3, Dev> y(u.shape()), last({u.extent(0), u.extent(2), A.extent(1)});
  const bool recorded = eu || edelta || eA || eB || eC || eD;
  const auto saved = recorded ? Tensor<T, 4, Dev>(in.saved_shape()) : Tensor<T, 4, Dev>();
  selective_scan_kernel(Dev{}, y.rows(), last.data(), saved.data(), in.view());
  auto out = detail::record(
      "selective_scan", std::move(y),
      [=](const auto& dy) {
        const Tensor<T, 3, Dev> du(in.u.shape()), ddelta(in.u.shape()), dB(in.in.shape()), dC(in.in.shape());
        const Tensor<T, 2, Dev> dA(in.decay.shape());
        const Tensor<T, 1, Dev> dD(in.skip.shape());
        const scan_gradients<T> to{du.rows(), ddelta.rows(), dA.rows(), dB.rows(), dC.rows(), dD.data()};
        selective_scan_backward_kernel(Dev{}, to, matrix<const T>(dy.rows()), static_cast<const T*>(saved.data()),
                                       in.view());
        detail::send(eu, du);
        detail::send(edelta, ddelta);
        detail::send(eA, dA);
        detail::send(eB, dB);
        detail::send(eC, dC);
        detail::send(eD, dD);
      },
      eu, edelta, eA, eB, eC, eD);
  return {std::move(out), std::move(last)};
}

}  // namespace hft
