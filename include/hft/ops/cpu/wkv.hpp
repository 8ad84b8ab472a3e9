// RWKV's mean of values on the CPU, and its gradient; sequences and blocks of channels are split over the threads.
#pragma once
#include <hft/linkage.hpp>
#include <hft/tensor.hpp>

namespace hft {

template <class T>
struct wkv_inputs {
  matrix<const T> key, value;  // (B*T,C)
  const T *decay, *bonus;      // (C)
  const T* state;              // (B,3,C), or null: no tokens before
  isize batch, tokens;
};

/// Where the gradients of its inputs are written, all dense.
template <class T>
struct wkv_gradients {
  matrix<T> key, value;  // (B*T,C)
  T *decay, *bonus;      // (C)
};

/// y (B*T,C) and the last state (B,3,C).
template <class T>
void wkv_kernel(cpu, matrix<T> y, T* last, const wkv_inputs<T>& in);

/// The gradients of all inputs but the first state, from dy (B*T,C). States are computed again.
template <class T>
void wkv_backward_kernel(cpu, const wkv_gradients<T>& d, matrix<const T> dy, const wkv_inputs<T>& in);

}  // namespace hft

#if HFT_DEFINES(KERNELS)
#include <algorithm>
#include <cmath>
#include <vector>

#include <hft/ops/cpu/channel_blocks.hpp>
#include <hft/ops/cpu/isa.hpp>
#include <hft/ops/cpu/lanes.hpp>

HFT_INTRINSICS_BEGIN

namespace hft {

/// The exponent of a sum without terms.
inline constexpr f32 wkv_nothing = -1e38f;

// ---- the oracle

/// By the sums themselves, whose exponents must not be large; `state` and the last one have an exponent of 0.
template <class T>
void wkv_kernel(isa::generic, matrix<T> y, T* last, const wkv_inputs<T>& in) {
  const isize C = y.cols;
  for (isize b = 0; b < in.batch; ++b)
    for (isize c = 0; c < C; ++c) {
      const T* state = in.state ? in.state + b * 3 * C + c : nullptr;
      T n = state ? state[0] : T(0), d = state ? state[C] : T(0);
      for (isize t = b * in.tokens; t < (b + 1) * in.tokens; ++t) {
        const T own = std::exp(in.bonus[c] + in.key.row(t)[c]), weight = std::exp(in.key.row(t)[c]);
        y.row(t)[c] = (n + own * in.value.row(t)[c]) / (d + own);
        n = std::exp(in.decay[c]) * n + weight * in.value.row(t)[c];
        d = std::exp(in.decay[c]) * d + weight;
      }
      last[b * 3 * C + c] = n, last[b * 3 * C + C + c] = d, last[b * 3 * C + 2 * C + c] = 0;
    }
}

// ---- by vectors of channels

namespace detail {

/// n and d divided by e^top.
template <class V>
struct wkv_state {
  V n, d, top;
};

/// y of a token, and what it is made of: d(t-1) and its own weight, divided by e^top.
template <class V>
struct wkv_output {
  V y, sum, own, top;
};

template <class V, class T, class Part>
wkv_state<V> wkv_first_state(const wkv_inputs<T>& in, isize b, isize c, Part part) {
  if (!in.state) return {V::zero(), V::zero(), V::set(wkv_nothing)};
  const T* state = in.state + b * 3 * in.key.cols + c;
  const auto at = [&](isize i) { return part.template load<V>(state + i * in.key.cols); };
  return {at(0), at(1), at(2)};
}
template <class V>
wkv_output<V> wkv_output_of(const wkv_state<V>& before, V key, V value, V bonus) {
  const V own_top = bonus + key, top = max(before.top, own_top);
  const V past = exp(before.top - top), own = exp(own_top - top), sum = fma(past, before.d, own);
  return {fma(past, before.n, own * value) / sum, sum, own, top};
}
template <class V>
wkv_state<V> wkv_state_after(const wkv_state<V>& before, V key, V value, V decay) {
  const V old_top = before.top + decay, top = max(old_top, key);
  const V past = exp(old_top - top), own = exp(key - top);
  return {fma(past, before.n, own * value), fma(past, before.d, own), top};
}

/// f(i, c, part) for each vector of channels, blocks of them on all threads `parts` times: i is which.
template <class T, class F>
void wkv_blocks(const wkv_inputs<T>& in, isize parts, const F& f) {
  using V = isa::lanes<T>;
  for_channels<V>(parts, in.key.cols, in.batch / parts * in.tokens, 2048, [&](isize i, isize c, isize lanes) {
    isa::for_lanes<V>(lanes, [&](isize, auto part) { f(i, c, part); });
  });
}

}  // namespace detail

// ---- on all threads

template <class T>
void wkv_kernel(cpu, matrix<T> y, T* last, const wkv_inputs<T>& in) {
  using V = isa::lanes<T>;
  detail::wkv_blocks(in, in.batch, [&](isize b, isize c, auto part) {
    const auto load = [&](const T* row) { return part.template load<V>(row + c); };
    const V decay = load(in.decay), bonus = load(in.bonus);
    auto state = detail::wkv_first_state<V>(in, b, c, part);
    for (isize t = b * in.tokens; t < (b + 1) * in.tokens; ++t) {
      const V key = load(in.key.row(t)), value = load(in.value.row(t));
      part.store(detail::wkv_output_of(state, key, value, bonus).y, y.row(t) + c);
      state = detail::wkv_state_after(state, key, value, decay);
    }
    T* to = last + b * 3 * y.cols + c;
    part.store(state.n, to), part.store(state.d, to + y.cols), part.store(state.top, to + 2 * y.cols);
  });
}

// ---- the gradient

template <class T>
void wkv_backward_kernel(cpu, const wkv_gradients<T>& d, matrix<const T> dy, const wkv_inputs<T>& in) {
  using V = isa::lanes<T>;
  detail::wkv_blocks(in, 1, [&](isize, isize c, auto part) {
    const auto load = [&](const T* row) { return part.template load<V>(row + c); };
    const V decay = load(in.decay), bonus = load(in.bonus), nothing = V::set(wkv_nothing);
    V ddecay = V::zero(), dbonus = V::zero();
    std::vector<detail::wkv_state<V>> states(std::size_t(in.tokens));  // before each token
    for (isize b = 0; b < in.batch; ++b) {
      auto state = detail::wkv_first_state<V>(in, b, c, part);
      for (isize s = 0; s < in.tokens; ++s) {
        const isize t = b * in.tokens + s;
        states[std::size_t(s)] = state;
        state = detail::wkv_state_after(state, load(in.key.row(t)), load(in.value.row(t)), decay);
      }
      // The gradients of n(t) and d(t), divided by the exponential of the largest exponent in them. That exponent and
      // one in n(t) have a sum of at most 0, since what n(t) is divided by later has both.
      V dn = V::zero(), dd = V::zero(), top = nothing;
      for (isize s = in.tokens; s-- > 0;) {
        const isize t = b * in.tokens + s;
        const auto& before = states[std::size_t(s)];
        const V key = load(in.key.row(t)), value = load(in.value.row(t));
        const auto out = detail::wkv_output_of(before, key, value, bonus);
        const V g = load(dy.row(t)) / out.sum, of_own = g * out.own * (value - out.y), later = exp(key + top);
        dbonus = dbonus + of_own;
        part.store(fma(later, fma(dn, value, dd), of_own), d.key.row(t) + c);
        part.store(fma(later, dn, g * out.own), d.value.row(t) + c);
        const V kept = decay + top;
        ddecay = fma(exp(kept + before.top), fma(dn, before.n, dd * before.d), ddecay);
        const V new_top = max(kept, V::zero() - out.top);
        const V past = exp(kept - new_top), own = exp(V::zero() - out.top - new_top) * g;
        dn = fma(past, dn, own);
        dd = past * dd - own * out.y;
        top = new_top;
      }
    }
    part.store(ddecay, d.decay + c);
    part.store(dbonus, d.bonus + c);
  });
}

HFT_INSTANTIATE(void wkv_kernel(cpu, matrix<f32>, f32*, const wkv_inputs<f32>&))
HFT_INSTANTIATE(void wkv_kernel(cpu, matrix<f64>, f64*, const wkv_inputs<f64>&))
HFT_INSTANTIATE(void wkv_backward_kernel(cpu, const wkv_gradients<f32>&, matrix<const f32>, const wkv_inputs<f32>&))
HFT_INSTANTIATE(void wkv_backward_kernel(cpu, const wkv_gradients<f64>&, matrix<const f64>, const wkv_inputs<f64>&))

}  // namespace hft

HFT_INTRINSICS_END
#endif  // HFT_DEFINES
