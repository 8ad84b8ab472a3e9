// wkv on a device that records. States are constants: no gradient flows from one part of a sequence to the one before.
#pragma once
#include <type_traits>
#include <utility>

#include <hft/autodiff.hpp>
#include <hft/ops/wkv.hpp>

namespace hft {

template <Scalar A, BaseDevice D>
std::pair<Tensor<A, 3, autodiff<D>>, Tensor<A, 3, D>> wkv(const Tensor<A, 3, autodiff<D>>& key,
                                                          const Tensor<A, 3, autodiff<D>>& value,
                                                          const Tensor<A, 1, autodiff<D>>& decay,
                                                          const Tensor<A, 1, autodiff<D>>& bonus,
                                                          const std::type_identity_t<Tensor<A, 3, D>>& state = {}) {
  const auto ek = detail::edge(key), ev = detail::edge(value);
  const auto ed = detail::edge(decay), eb = detail::edge(bonus);
  auto [y, last] = wkv(key.value(), value.value(), decay.value(), bonus.value(), state);
  auto out = detail::record(
      "wkv", std::move(y),
      [=, in = detail::wkv_arguments<A, D>(key.value(), value.value(), decay.value(), bonus.value(), state)](
          const auto& dy) {
        const Tensor<A, 3, D> dk(in.key.shape()), dv(in.key.shape());
        const Tensor<A, 1, D> dd(in.decay.shape()), db(in.bonus.shape());
        wkv_backward_kernel(D{}, wkv_gradients<A>{dk.rows(), dv.rows(), dd.data(), db.data()},
                            matrix<const A>(dy.rows()), in.view());
        detail::send(ek, dk);
        detail::send(ev, dv);
        detail::send(ed, dd);
        detail::send(eb, db);
      },
      ek, ev, ed, eb);
  return {std::move(out), std::move(last)};
}

}  // namespace hft
