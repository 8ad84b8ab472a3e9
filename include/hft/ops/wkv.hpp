// wkv: RWKV's attention without queries, a mean of all values so far (Peng et al. 2023, arXiv 2305.13048, eq. (16)).
//
//   y(t) = (n(t-1) + e^(u + k(t)) v(t)) / (d(t-1) + e^(u + k(t)))        for each channel
//   n(t) = e^w n(t-1) + e^k(t) v(t),   d(t) = e^w d(t-1) + e^k(t)
//
// A state has n and d divided by the exponential of the largest exponent in them, and that. A sequence may come in
// parts: the last state of one is the state that the next starts with.
#pragma once
#include <type_traits>
#include <utility>

#include <hft/ops/cpu/wkv.hpp>
#include <hft/tensor.hpp>

namespace hft {

namespace detail {
template <class X, class Vec, class State>
void check_wkv(const X& key, const X& value, const Vec& decay, const Vec& bonus, const State& state) {
  const isize B = key.extent(0), C = key.extent(2);
  const auto fits = [&](const char* what, const auto& expected, const auto& got) {
    if (got != expected)
      throw shape_error("wkv", what, joined(shape_text(expected), ", to match keys ", shape_text(key.shape())),
                        shape_text(got));
  };
  fits("values", key.shape(), value.shape());
  fits("decay", Shape<1>{C}, decay.shape());
  fits("bonus", Shape<1>{C}, bonus.shape());
  if (state) fits("state", Shape<3>{B, 3, C}, state.shape());
}

/// The arguments as kernels take them, and the memory behind that.
template <Scalar A, BaseDevice D>
struct wkv_arguments {
  Tensor<A, 3, D> key, value;    // (B,T,C)
  Tensor<A, 1, D> decay, bonus;  // (C)
  Tensor<A, 3, D> state;         // (B,3,C) or empty

  wkv_arguments(const Tensor<A, 3, D>& key, const Tensor<A, 3, D>& value, const Tensor<A, 1, D>& decay,
                const Tensor<A, 1, D>& bonus, const Tensor<A, 3, D>& state)
      : key(key.collapsible()),
        value(value.collapsible()),
        decay(decay.dense()),
        bonus(bonus.dense()),
        state(state ? state.dense() : state) {}

  wkv_inputs<A> view() const {
    return {key.rows(), value.rows(), decay.data(), bonus.data(), state.data(), key.extent(0), key.extent(1)};
  }
};
}  // namespace detail

/// y and the state after it.
///   keys and values (B,T,C); decay w (C), below 0; bonus u of a token's own key (C); state (B,3,C): n, d and the
///   exponent before the first token, or empty for none;
///   returns y (B,T,C) and the last state (B,3,C). Throws shape_error. (transformers.rwkv_linear_attention_cpu)
template <Scalar A, BaseDevice D>
std::pair<Tensor<A, 3, D>, Tensor<A, 3, D>> wkv(const Tensor<A, 3, D>& key, const Tensor<A, 3, D>& value,
                                                const Tensor<A, 1, D>& decay, const Tensor<A, 1, D>& bonus,
                                                const std::type_identity_t<Tensor<A, 3, D>>& state = {}) {
  detail::check_wkv(key, value, decay, bonus, state);
  const detail::wkv_arguments<A, D> in(key, value, decay, bonus, state);
  Tensor<A, 3, D> y(key.shape()), last({key.extent(0), 3, key.extent(2)});
  wkv_kernel(D{}, y.rows(), last.data(), in.view());
  return {y, last};
}

}  // namespace hft
