// gated_delta_rule: linear attention whose state forgets, and corrects what it says of a key (Yang et al. 2024,
// arXiv 2412.06464).
//
//   P = e^g(t) S(t-1)                                 for each head, (K,V)
//   S(t) = P + beta(t) k(t) (v(t) - P^T k(t))^T
//   y(t) = S(t)^T q(t)
//
// A sequence may come in parts: the last state of one is the state that the next starts with.
#pragma once
#include <type_traits>
#include <utility>

#include <hft/ops/cpu/gated_delta_rule.hpp>
#include <hft/ops/heads.hpp>
#include <hft/tensor.hpp>

namespace hft {

namespace detail {

template <class Heads, class Rates, class State>
void check_gated_delta_rule(const Heads& q, const Heads& k, const Heads& v, const Rates& log_decay, const Rates& beta,
                            const State& state) {
  const isize B = v.extent(0), T = v.extent(1), H = v.extent(2), K = k.extent(3), V = v.extent(3);
  const auto fail = [&](const char* what, const auto& expected, const auto& got) {
    throw shape_error(
        "gated_delta_rule", what,
        joined(shape_text(expected), ", to match k ", shape_text(k.shape()), " and v ", shape_text(v.shape())),
        shape_text(got));
  };
  if (k.extent(0) != B || k.extent(1) != T || k.extent(2) < 1 || H % k.extent(2))
    throw shape_error(
        "gated_delta_rule", "k",
        joined("(", B, ", ", T, ", a number that divides ", H, " heads, K), to match v ", shape_text(v.shape())),
        shape_text(k.shape()));
  if (q.shape() != k.shape()) fail("q", k.shape(), q.shape());
  if (log_decay.shape() != Shape<3>{B, T, H}) fail("log_decay", Shape<3>{B, T, H}, log_decay.shape());
  if (beta.shape() != Shape<3>{B, T, H}) fail("beta", Shape<3>{B, T, H}, beta.shape());
  if (state && state.shape() != Shape<4>{B, H, K, V}) fail("state", Shape<4>{B, H, K, V}, state.shape());
}

/// The arguments as kernels take them, and the memory behind that.
template <Scalar A, BaseDevice D>
struct delta_arguments {
  Tensor<A, 4, D> q, k, v;          // (B,T,Hk,K) twice, (B,T,H,V)
  Tensor<A, 3, D> log_decay, beta;  // (B,T,H)
  Tensor<A, 4, D> state;            // (B,H,K,V) or empty

  delta_arguments(const Tensor<A, 4, D>& q, const Tensor<A, 4, D>& k, const Tensor<A, 4, D>& v,
                  const Tensor<A, 3, D>& log_decay, const Tensor<A, 3, D>& beta, const Tensor<A, 4, D>& state)
      : q(q),
        k(k),
        v(v),
        log_decay(log_decay.collapsible()),
        beta(beta.collapsible()),
        state(state ? state.dense() : state) {}

  delta_inputs<A> view() const { return {heads(q), heads(k), heads(v), log_decay.rows(), beta.rows(), state.data()}; }
  Shape<4> state_shape() const { return {v.extent(0), v.extent(2), k.extent(3), v.extent(3)}; }
  /// (B,H,chunks,K,V), flat: what a forward pass saves for its backward.
  Shape<1> saved_shape() const {
    return {v.extent(0) * v.extent(2) * ((v.extent(1) + delta_chunk - 1) / delta_chunk) * k.extent(3) * v.extent(3)};
  }
};

}  // namespace detail

/// y and the state after it.
///   q, k (B,T,Hk,K): head h of v reads head h / (H / Hk) of them; v (B,T,H,V);
///   log_decay (B,T,H): g above, at most 0; beta (B,T,H): how much of a key's value is written anew;
///   state (B,H,K,V): the one before the first token, or empty for zeros;
///   returns y (B,T,H,V) and the last state (B,H,K,V).
/// Keys should have a length of 1: the state grows otherwise. Throws shape_error.
/// (transformers.models.qwen3_next.torch_recurrent_gated_delta_rule, whose norms and scale are the caller's here)
template <Scalar A, BaseDevice D>
std::pair<Tensor<A, 4, D>, Tensor<A, 4, D>> gated_delta_rule(const Tensor<A, 4, D>& q, const Tensor<A, 4, D>& k,
                                                             const Tensor<A, 4, D>& v, const Tensor<A, 3, D>& log_decay,
                                                             const Tensor<A, 3, D>& beta,
                                                             const std::type_identity_t<Tensor<A, 4, D>>& state = {}) {
  detail::check_gated_delta_rule(q, k, v, log_decay, beta, state);
  const detail::delta_arguments<A, D> in(q, k, v, log_decay, beta, state);
  const Tensor<A, 4, D> y(v.shape()), last(in.state_shape());
  gated_delta_rule_kernel(D{}, heads(y), last.data(), static_cast<A*>(nullptr), in.view());
  return {y, last};
}

}  // namespace hft
