// rg_lru on a device that records. States are constants: no gradient flows from one part of a sequence to the one
// before.
#pragma once
#include <type_traits>

#include <hft/autodiff.hpp>
#include <hft/ops/rg_lru.hpp>

namespace hft {

template <Scalar A, BaseDevice D>
Tensor<A, 3, autodiff<D>> rg_lru(const Tensor<A, 3, autodiff<D>>& x, const Tensor<A, 3, autodiff<D>>& input,
                                 const Tensor<A, 3, autodiff<D>>& recurrence, const Tensor<A, 1, autodiff<D>>& param,
                                 const std::type_identity_t<Tensor<u8, 2, D>>& begins = {},
                                 const std::type_identity_t<Tensor<A, 3, D>>& state = {}) {
  const auto ex = detail::edge(x), ei = detail::edge(input), er = detail::edge(recurrence);
  const auto ep = detail::edge(param);
  const auto h = rg_lru(x.value(), input.value(), recurrence.value(), param.value(), begins, state);
  const detail::rg_lru_arguments<A, D> in(x.value(), input.value(), recurrence.value(), param.value(), begins, state);
  return detail::record(
      "rg_lru", h,
      [=](const auto& dh) {
        const Tensor<A, 3, D> dx(h.shape()), di(h.shape()), dr(h.shape());
        const Tensor<A, 1, D> dp(in.param.shape());
        rg_lru_backward_kernel(D{}, rg_lru_gradients<A>{dx.rows(), di.rows(), dr.rows(), dp.data()},
                               matrix<const A>(dh.rows()), matrix<const A>(h.rows()), in.view());
        detail::send(ex, dx);
        detail::send(ei, di);
        detail::send(er, dr);
        detail::send(ep, dp);
      },
      ex, ei, er, ep);
}

}  // namespace hft
