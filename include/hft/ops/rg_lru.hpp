// rg_lru: the real-gated linear recurrent unit of Griffin (De et al. 2024, arXiv 2402.19427, eq. (1) to (4)).
//
//   a(t) = exp(-8 softplus(L) sigmoid(r(t)))                              for each channel
//   h(t) = a(t) h(t-1) + sqrt(1 - a(t)^2) sigmoid(i(t)) x(t)
//
// Where a text begins, a(t) = 0. A sequence may come in parts: the last state of one is what the next starts with.
#pragma once
#include <type_traits>

#include <hft/ops/cpu/rg_lru.hpp>
#include <hft/tensor.hpp>

namespace hft {

namespace detail {
template <class X, class L, class Begins, class State>
void check_rg_lru(const X& x, const X& input, const X& recurrence, const L& param, const Begins& begins,
                  const State& state) {
  const isize B = x.extent(0), T = x.extent(1), C = x.extent(2);
  const auto fits = [&](const char* what, const auto& expected, const auto& got) {
    if (got != expected)
      throw shape_error("rg_lru", what, joined(shape_text(expected), ", to match x ", shape_text(x.shape())),
                        shape_text(got));
  };
  fits("input gate", x.shape(), input.shape());
  fits("recurrence gate", x.shape(), recurrence.shape());
  fits("parameter", Shape<1>{C}, param.shape());
  if (begins) fits("beginnings", Shape<2>{B, T}, begins.shape());
  if (state) fits("state", Shape<3>{B, 1, C}, state.shape());
}

/// The arguments as kernels take them, and the memory behind that.
template <Scalar A, BaseDevice D>
struct rg_lru_arguments {
  Tensor<A, 3, D> x, input, recurrence;  // (B,T,C)
  Tensor<A, 1, D> param;                 // (C)
  Tensor<u8, 2, D> begins;               // (B,T) or empty
  Tensor<A, 3, D> state;                 // (B,1,C) or empty

  rg_lru_arguments(const Tensor<A, 3, D>& x, const Tensor<A, 3, D>& input, const Tensor<A, 3, D>& recurrence,
                   const Tensor<A, 1, D>& param, const Tensor<u8, 2, D>& begins, const Tensor<A, 3, D>& state)
      : x(x.collapsible()),
        input(input.collapsible()),
        recurrence(recurrence.collapsible()),
        param(param.dense()),
        begins(begins ? begins.dense() : begins),
        state(state ? state.dense() : state) {}

  rg_lru_inputs<A> view() const {
    return {x.rows(),      input.rows(), recurrence.rows(), param.data(),
            begins.data(), state.data(), x.extent(0),       x.extent(1)};
  }
};
}  // namespace detail

/// All states h.
///   x (B,T,C); the gates before their sigmoid, i and r (B,T,C); the parameter L (C); begins (B,T), not 0 where a text
///   begins, or empty; state (B,1,C): the one before the first token, or empty for zeros;
///   returns h (B,T,C), whose last token is the state that the next tokens are given. Throws shape_error.
/// (transformers.RecurrentGemmaRglru)
template <Scalar A, BaseDevice D>
Tensor<A, 3, D> rg_lru(const Tensor<A, 3, D>& x, const Tensor<A, 3, D>& input, const Tensor<A, 3, D>& recurrence,
                       const Tensor<A, 1, D>& param, const std::type_identity_t<Tensor<u8, 2, D>>& begins = {},
                       const std::type_identity_t<Tensor<A, 3, D>>& state = {}) {
  detail::check_rg_lru(x, input, recurrence, param, begins, state);
  const detail::rg_lru_arguments<A, D> in(x, input, recurrence, param, begins, state);
  Tensor<A, 3, D> h(x.shape());
  rg_lru_kernel(D{}, h.rows(), in.view());
  return h;
}

}  // namespace hft
