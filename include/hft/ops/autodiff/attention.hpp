// attention and apply_rotary on a device that records.
#pragma once
#include <hft/autodiff.hpp>
#include <hft/ops/attention.hpp>
#include <hft/ops/cpu/attention_backward.hpp>
#include <hft/ops/elementwise.hpp>
#include <hft/ops/rotary.hpp>

namespace hft {

/// Saved are q, k, v, y and the logarithm of each query's sum. ALiBi's slopes are constants.
template <Scalar A, BaseDevice D>
Tensor<A, 4, autodiff<D>> attention(const Tensor<A, 4, autodiff<D>>& q, const Tensor<A, 4, autodiff<D>>& k,
                                    const Tensor<A, 4, autodiff<D>>& v, const AttentionArgs<D>& args) {
  detail::check_attention(q.value(), k.value(), v.value(), args);
  const auto eq = detail::edge(q), ek = detail::edge(k), ev = detail::edge(v);
  const Tensor<A, 4, D> y({q.extent(0), q.extent(1), q.extent(2), v.extent(3)});
  const Tensor<A, 3, D> log_sums({q.extent(0), q.extent(2), q.extent(1)});  // (B,H,T)
  auto p = detail::make_attention_problem(q.value(), k.value(), v.value(), y, args);
  p.log_sums = log_sums.data();
  attention_kernel(D{}, p);
  if (args.dropout.p > 0) {
    args.dropout.check();
    attention_dropout_kernel(D{}, p);
  }
  return detail::record(
      "attention", y,
      [eq, ek, ev, qv = q.value(), kv = k.value(), vv = v.value(), y, log_sums, args](const auto& dy) {
        auto problem = detail::make_attention_problem(qv, kv, vv, y, args);
        problem.log_sums = log_sums.data();
        const Tensor<A, 4, D> dq(qv.shape()), dk(kv.shape()), dv(vv.shape());
        attention_backward_kernel(D{}, problem,
                                  attention_backward_problem<A>{heads(dy), heads(dq), heads(dk), heads(dv)});
        detail::send(eq, dq);
        detail::send(ek, dk);
        detail::send(ev, dv);
      },
      eq, ek, ev);
}

/// Its gradient is turned back by the same angles.
template <Scalar A, BaseDevice D>
Tensor<A, 4, autodiff<D>> apply_rotary(const Tensor<A, 4, autodiff<D>>& x, const Tensor<A, 2, D>& cos,
                                       const Tensor<A, 2, D>& sin, bool interleaved = false) {
  const auto e = detail::edge(x);
  return detail::record(
      "apply_rotary", apply_rotary(x.value(), cos, sin, interleaved),
      [e, cos, sin, interleaved](const auto& dy) {
        detail::send(e, apply_rotary(dy, cos, scale(sin, -1), interleaved));
      },
      e);
}

}  // namespace hft
