// gated_delta_rule on a device that records. States are constants: no gradient flows from one part of a sequence to the
// one before. Of the states between, one in each chunk is saved.
#pragma once
#include <type_traits>
#include <utility>

#include <hft/autodiff.hpp>
#include <hft/ops/gated_delta_rule.hpp>

namespace hft {

template <Scalar A, BaseDevice D>
std::pair<Tensor<A, 4, autodiff<D>>, Tensor<A, 4, D>> gated_delta_rule(
    const Tensor<A, 4, autodiff<D>>& q, const Tensor<A, 4, autodiff<D>>& k, const Tensor<A, 4, autodiff<D>>& v,
    const Tensor<A, 3, autodiff<D>>& log_decay, const Tensor<A, 3, autodiff<D>>& beta,
    const std::type_identity_t<Tensor<A, 4, D>>& state = {}) {
  const auto eq = detail::edge(q), ek = detail::edge(k), ev = detail::edge(v);
  const auto edecay = detail::edge(log_decay), ebeta = detail::edge(beta);
  detail::check_gated_delta_rule(q, k, v, log_decay, beta, state);
  const detail::delta_arguments<A, D> in(q.value(), k.value(), v.value(), log_decay.value(), beta.value(), state);
  Tensor<A, 4, D> y(v.shape()), last(in.state_shape());
  const bool recorded = eq || ek || ev || edecay || ebeta;
  const auto saved = recorded ? Tensor<A, 1, D>(in.saved_shape()) : Tensor<A, 1, D>();
  gated_delta_rule_kernel(D{}, heads(y), last.data(), saved.data(), in.view());
  auto out = detail::record(
      "gated_delta_rule", std::move(y),
      [=](const auto& dy) {
        const Tensor<A, 4, D> dq(in.q.shape()), dk(in.k.shape()), dv(in.v.shape());
        const Tensor<A, 3, D> ddecay(in.beta.shape()), dbeta(in.beta.shape());
        const delta_gradients<A> to{heads(dq), heads(dk), heads(dv), ddecay.rows(), dbeta.rows()};
        gated_delta_rule_backward_kernel(D{}, to, heads_view<const A>(heads(dy)), static_cast<const A*>(saved.data()),
                                         in.view());
        detail::send(eq, dq);
        detail::send(ek, dk);
        detail::send(ev, dv);
        detail::send(edecay, ddecay);
        detail::send(ebeta, dbeta);
      },
      eq, ek, ev, edecay, ebeta);
  return {std::move(out), std::move(last)};
}

}  // namespace hft
