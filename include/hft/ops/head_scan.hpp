// head_scan: the state space layer of Mamba-2 (Dao & Gu 2024, arXiv 2405.21060): a selective scan whose channels come
// in heads, each with one decay, and whose B and C are those of a group of heads.
//
//   h(t) = exp(delta(t) A) h(t-1) + B(t) delta(t) x(t)^T      for each head, (N,P)
//   y(t) = C(t) h(t) + D x(t)
//
// A sequence may come in parts: the last state of one is the state that the next starts with.
#pragma once
#include <string>
#include <type_traits>
#include <utility>

#include <hft/ops/cpu/head_scan.hpp>
#include <hft/ops/heads.hpp>
#include <hft/tensor.hpp>

namespace hft {

namespace detail {

template <class X, class Steps, class Vec, class Groups, class State>
void check_head_scan(const X& x, const Steps& delta, const Vec& A, const Groups& Bm, const Groups& Cm, const Vec& D,
                     const State& state) {
  const isize B = x.extent(0), T = x.extent(1), H = x.extent(2), P = x.extent(3), G = Bm.extent(2), N = Bm.extent(3);
  const auto fail = [&](const char* what, const std::string& expected, const auto& got) {
    throw shape_error("head_scan", what, joined(expected, ", to match x ", shape_text(x.shape())),
                      shape_text(got.shape()));
  };
  if (delta.shape() != Shape<3>{B, T, H}) fail("delta", shape_text(Shape<3>{B, T, H}), delta);
  if (A.extent(0) != H) fail("A", cat("(", H, ")"), A);
  if (Bm.extent(0) != B || Bm.extent(1) != T || G < 1 || H % G)
    fail("B", cat("(", B, ", ", T, ", G, N) with G groups of as many heads each"), Bm);
  if (Cm.shape() != Bm.shape()) fail("C", shape_text(Bm.shape()), Cm);
  if (D.extent(0) != H) fail("D", cat("(", H, ")"), D);
  if (state && state.shape() != Shape<4>{B, H, N, P}) fail("state", shape_text(Shape<4>{B, H, N, P}), state);
}

/// The arguments of a scan as kernels take them, and the memory behind that.
template <Scalar A, BaseDevice D>
struct head_scan_arguments {
  Tensor<A, 4, D> x;        // (B,T,H,P)
  Tensor<A, 3, D> delta;    // (B,T,H)
  Tensor<A, 1, D> decay;    // (H)
  Tensor<A, 4, D> in, out;  // (B,T,G,N)
  Tensor<A, 1, D> skip;     // (H)
  Tensor<A, 4, D> state;    // (B,H,N,P) or empty

  head_scan_inputs<A> view() const {
    return {heads(x), delta.rows(), decay.data(), heads(in), heads(out), skip.data(), state.data()};
  }
};

template <Scalar A, BaseDevice D>
head_scan_arguments<A, D> head_scan_arguments_of(const Tensor<A, 4, D>& x, const Tensor<A, 3, D>& delta,
                                                 const Tensor<A, 1, D>& decay, const Tensor<A, 4, D>& in,
                                                 const Tensor<A, 4, D>& out, const Tensor<A, 1, D>& skip,
                                                 const Tensor<A, 4, D>& state) {
  return {x, delta.collapsible(), decay, in, out, skip, state ? state.dense() : state};
}

}  // namespace detail

/// y and the state after it.
///   x (B,T,H,P), delta (B,T,H): the step sizes themselves, after their softplus; A (H), negative; B and C (B,T,G,N),
///   head h's those of group h / (H / G); D (H); state (B,H,N,P): the one before the first token, or empty for zeros;
///   returns y (B,T,H,P) and the last state (B,H,N,P). Throws shape_error.
template <Scalar T, BaseDevice Dev>
std::pair<Tensor<T, 4, Dev>, Tensor<T, 4, Dev>> head_scan(const Tensor<T, 4, Dev>& x, const Tensor<T, 3, Dev>& delta,
                                                          const Tensor<T, 1, Dev>& A, const Tensor<T, 4, Dev>& B,
                                                          const Tensor<T, 4, Dev>& C, const Tensor<T, 1, Dev>& D,
                                                          const std::type_identity_t<Tensor<T, 4, Dev>>& state = {}) {
  detail::check_head_scan(x, delta, A, B, C, D, state);
  const auto in = detail::head_scan_arguments_of(x, delta, A, B, C, D, state);
  const Tensor<T, 4, Dev> y(x.shape()), last({x.extent(0), x.extent(2), B.extent(3), x.extent(3)});
  head_scan_kernel(Dev{}, heads(y), last.data(), in.view());
  return {y, last};
}

}  // namespace hft
