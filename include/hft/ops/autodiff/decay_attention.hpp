// decay_attention on a device that records. States are constants: no gradient flows from one part of a sequence to the
// one before. Those between are computed again.
#pragma once
#include <type_traits>
#include <utility>

#include <hft/autodiff.hpp>
#include <hft/ops/decay_attention.hpp>

namespace hft {

template <Scalar A, BaseDevice D>
std::pair<Tensor<A, 4, autodiff<D>>, Tensor<A, 4, D>> decay_attention(
    const Tensor<A, 4, autodiff<D>>& q, const Tensor<A, 4, autodiff<D>>& k, const Tensor<A, 4, autodiff<D>>& v,
    const Tensor<A, 1, D>& decay, const std::type_identity_t<Tensor<A, 4, D>>& state = {}) {
  const auto eq = detail::edge(q), ek = detail::edge(k), ev = detail::edge(v);
  const auto [y, last] = decay_attention(q.value(), k.value(), v.value(), decay, state);
  auto out = detail::record(
      "decay_attention", y,
      [eq, ek, ev, qv = q.value(), kv = k.value(), vv = v.value(), decay, state](const auto& dy) {
        const Tensor<A, 4, D> dq(qv.shape()), dk(qv.shape()), dv(qv.shape());
        const isize C = qv.extent(3);
        const Tensor<A, 4, D> scratch({qv.extent(0), qv.extent(2), C, C});
        decay_attention_backward_kernel(D{}, heads(dq), heads(dk), heads(dv), scratch.data(),
                                        heads_view<const A>(heads(dy)),
                                        detail::decay_inputs_of(qv, kv, vv, decay, state));
        detail::send(eq, dq);
        detail::send(ek, dk);
        detail::send(ev, dv);
      },
      eq, ek, ev);
  return {std::move(out), last};
}

}  // namespace hft
