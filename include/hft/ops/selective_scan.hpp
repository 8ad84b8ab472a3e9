// selective_scan: the state space layer S6 of Mamba (Gu & Dao 2023, arXiv 2312.00752), whose steps depend on the input.
//
//   h(t) = exp(delta(t) A) h(t-1) + delta(t) B(t) u(t)      for each channel and each of its N states
//   y(t) = C(t) h(t) + D u(t)
//
// A sequence may come in parts: the last state of one is the state that the next starts with.
#pragma once
#include <type_traits>
#include <utility>

#include <hft/ops/cpu/selective_scan.hpp>
#include <hft/quantization/convert.hpp>
#include <hft/tensor.hpp>

namespace hft {

namespace detail {

template <class Seq, class M, class Vec, class State>
void check_selective_scan(const Seq& u, const Seq& delta, const M& A, const Seq& Bm, const Seq& Cm, const Vec& D,
                          const State& state) {
  const isize B = u.extent(0), T = u.extent(1), C = u.extent(2), N = A.extent(1);
  const auto fail = [&](const char* what, const auto& expected, const auto& got) {
    throw shape_error(
        "selective_scan", what,
        joined(shape_text(expected), ", to match u ", shape_text(u.shape()), " and A ", shape_text(A.shape())),
        shape_text(got));
  };
  if (delta.shape() != u.shape()) fail("delta", u.shape(), delta.shape());
  if (A.extent(0) != C) throw shape_error("selective_scan", "A", joined("(", C, ", N)"), shape_text(A.shape()));
  if (Bm.shape() != Shape<3>{B, T, N}) fail("B", Shape<3>{B, T, N}, Bm.shape());
  if (Cm.shape() != Shape<3>{B, T, N}) fail("C", Shape<3>{B, T, N}, Cm.shape());
  if (D.shape() != Shape<1>{C}) fail("D", Shape<1>{C}, D.shape());
  if (state && state.shape() != Shape<3>{B, C, N}) fail("state", Shape<3>{B, C, N}, state.shape());
}

/// The arguments of a scan as kernels take them, and the memory behind that.
template <Scalar A, BaseDevice D>
struct scan_arguments {
  Tensor<A, 3, D> u, delta;  // (B,T,C)
  Tensor<A, 2, D> decay;     // (C,N)
  Tensor<A, 3, D> in, out;   // (B,T,N)
  Tensor<A, 1, D> skip;      // (C)
  Tensor<A, 3, D> state;     // (B,C,N) or empty

  scan_arguments(const Tensor<A, 3, D>& u, const Tensor<A, 3, D>& delta, const Tensor<A, 2, D>& decay,
                 const Tensor<A, 3, D>& in, const Tensor<A, 3, D>& out, const Tensor<A, 1, D>& skip,
                 const Tensor<A, 3, D>& state)
      : u(u.collapsible()),
        delta(delta.collapsible()),
        decay(decay),
        in(in.collapsible()),
        out(out.collapsible()),
        skip(skip),
        state(state ? state.dense() : state) {}

  scan_inputs<A> view() const {
    return {u.rows(),    delta.rows(), decay.rows(), in.rows(),  out.rows(),
            skip.data(), state.data(), u.extent(0),  u.extent(1)};
  }
  /// (B,chunks,C,N): what a forward pass saves for its backward.
  Shape<4> saved_shape() const {
    return {u.extent(0), (u.extent(1) + scan_chunk - 1) / scan_chunk, u.extent(2), decay.extent(1)};
  }
};

template <Scalar To, Scalar From, BaseDevice D>
Tensor<To, 3, D> scan_converted(const Tensor<From, 3, D>& x) {
  static_assert(D::host_memory, "hft: half-precision arguments of a scan are widened on the host");
  const auto from = x.dense();
  const Tensor<To, 3, D> y(x.shape());
  const isize cols = y.extent(2);
  convert_rows(dtype<To>::id, y.data(), dtype<From>::id, from.data(), cols ? y.size() / cols : 0, cols);
  return y;
}

}  // namespace detail

/// y and the state after it.
///   u (B,T,C), delta (B,T,C): the step sizes themselves, after their softplus; A (C,N), negative; B and C (B,T,N);
///   D (C); state (B,C,N): the one before the first token, or empty for zeros;
///   returns y (B,T,C) and the last state (B,C,N).
/// u, delta, B, C and y may be in half precision; A, D and states are f32 then, and so are sums. Throws shape_error.
template <Scalar T, BaseDevice Dev, Scalar S = typename Dev::template activation<T>>
std::pair<Tensor<T, 3, Dev>, Tensor<S, 3, Dev>> selective_scan(
    const Tensor<T, 3, Dev>& u, const Tensor<T, 3, Dev>& delta, const Tensor<S, 2, Dev>& A, const Tensor<T, 3, Dev>& B,
    const Tensor<T, 3, Dev>& C, const Tensor<S, 1, Dev>& D, const std::type_identity_t<Tensor<S, 3, Dev>>& state = {}) {
  detail::check_selective_scan(u, delta, A, B, C, D, state);
  if constexpr (!std::is_same_v<T, S>) {
    const auto wide = [](const auto& x) { return detail::scan_converted<S>(x); };
    const auto [y, last] = selective_scan(wide(u), wide(delta), A, wide(B), wide(C), D, state);
    return {detail::scan_converted<T>(y), last};
  } else {
    const detail::scan_arguments<T, Dev> in(u, delta, A, B, C, D, state);
    Tensor<T, 3, Dev> y(u.shape()), last({u.extent(0), u.extent(2), A.extent(1)});
    selective_scan_kernel(Dev{}, y.rows(), last.data(), static_cast<T*>(nullptr), in.view());
    return {y, last};
  }
}

}  // namespace hft
