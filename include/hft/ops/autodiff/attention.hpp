// attention and apply_rotary on a device that records.
#pragma once
#include <hft/autodiff.hpp>
#include <hft/ops/attention.hpp>
#include <hft/ops/cpu/attention_backward.hpp>
#include <hft/ops/elementwise.hpp>
#include <hft/ops/rotary.hpp>

namespace hft {

/// Saved are q, k, v, y, bias, sinks and the logarithm of each query's sum. ALiBi's slopes are constants.
template <Scalar A, BaseDevice D>
Tensor<A, 4, autodiff<D>> attention(const Tensor<A, 4, autodiff<D>>& q, const Tensor<A, 4, autodiff<D>>& k,
                                    const Tensor<A, 4, autodiff<D>>& v, const AttentionArgs<D>& args,
                                    const std::type_identity_t<Tensor<A, 4, autodiff<D>>>& bias = {},
                                    const std::type_identity_t<Tensor<A, 1, autodiff<D>>>& sinks = {}) {
  detail::check_attention(q.value(), k.value(), v.value(), args, bias.value(), sinks.value());
  const auto eq = detail::edge(q), ek = detail::edge(k), ev = detail::edge(v), eb = detail::edge(bias);
  const auto es = detail::edge(sinks);
  const Tensor<A, 4, D> y({q.extent(0), q.extent(1), q.extent(2), v.extent(3)});
  const Tensor<A, 3, D> log_sums({q.extent(0), q.extent(2), q.extent(1)});  // (B,H,T)
  const auto problem = [qv = q.value(), kv = k.value(), vv = v.value(), bv = bias.value(), sv = sinks.value(), y,
                        log_sums, args] {
    auto p = detail::make_attention_problem(qv, kv, vv, y, args, bv, sv);
    p.log_sums = log_sums.data();
    return p;
  };
  attention_kernel(D{}, problem());
  if (args.dropout.p > 0) {
    args.dropout.check();
    attention_dropout_kernel(D{}, problem());
  }
  return detail::record(
      "attention", y,
      [eq, ek, ev, eb, es, problem](const auto& dy) {
        const auto p = problem();
        const auto like = [](const auto& x) { return Tensor<A, 4, D>({x.batch, x.tokens, x.heads, x.dim}); };
        const auto dq = like(p.q), dk = like(p.k), dv = like(p.v);
        Tensor<A, 4, D> dbias;
        Tensor<A, 1, D> dsinks;
        attention_backward_problem<A> g{heads(dy), heads(dq), heads(dk), heads(dv)};
        if (eb)
          dbias = Tensor<A, 4, D>({p.bias.batch, p.bias.heads, p.bias.tokens, p.bias.dim}), g.dbias = bias_rows(dbias);
        if (es) dsinks = Tensor<A, 1, D>({p.q.heads}), g.dsinks = dsinks.data();
        attention_backward_kernel(D{}, p, g);
        detail::send(eq, dq);
        detail::send(ek, dk);
        detail::send(ev, dv);
        if (eb) detail::send(eb, dbias);
        if (es) detail::send(es, dsinks);
      },
      eq, ek, ev, eb, es);
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
