// Griffin's recurrence on the CPU, and its gradient; sequences and blocks of channels are split over the threads.
#pragma once
#include <hft/linkage.hpp>
#include <hft/tensor.hpp>

namespace hft {

template <class T>
struct rg_lru_inputs {
  matrix<const T> x, input, recurrence;  // (B*T,C)
  const T* param;                        // (C)
  const u8* begins;                      // (B*T), or null: no text begins
  const T* state;                        // (B,C), or null: zeros
  isize batch, tokens;
};

/// Where the gradients of its inputs are written, all dense.
template <class T>
struct rg_lru_gradients {
  matrix<T> x, input, recurrence;  // (B*T,C)
  T* param;                        // (C)
};

/// h (B*T,C)
template <class T>
void rg_lru_kernel(cpu, matrix<T> h, const rg_lru_inputs<T>& in);

/// The gradients of all inputs but the first state, from dh (B*T,C) and the states h. That of the square root is at
/// most 500, so that it has an end where a is 1. (transformers.SqrtBoundDerivative)
template <class T>
void rg_lru_backward_kernel(cpu, const rg_lru_gradients<T>& d, matrix<const T> dh, matrix<const T> h,
                            const rg_lru_inputs<T>& in);

}  // namespace hft

#if HFT_DEFINES(KERNELS)
#include <algorithm>
#include <cmath>

#include <hft/ops/cpu/channel_blocks.hpp>
#include <hft/ops/cpu/isa.hpp>
#include <hft/ops/cpu/lanes.hpp>

HFT_INTRINSICS_BEGIN

namespace hft {

// ---- the oracle

namespace detail {
/// -8 softplus(x): the logarithm of a where the gate is open.
template <class T>
T rg_lru_rate(T x) {
  return -8 * (std::max(x, T(0)) + std::log1p(std::exp(-std::abs(x))));
}
}  // namespace detail

template <class T>
void rg_lru_kernel(isa::generic, matrix<T> h, const rg_lru_inputs<T>& in) {
  const auto sigmoid = [](T x) { return 1 / (1 + std::exp(-x)); };
  for (isize b = 0; b < in.batch; ++b)
    for (isize c = 0; c < h.cols; ++c) {
      T state = in.state ? in.state[b * h.cols + c] : T(0);
      for (isize t = b * in.tokens; t < (b + 1) * in.tokens; ++t) {
        const bool begins = in.begins && in.begins[t];
        const T log_a = detail::rg_lru_rate(in.param[c]) * sigmoid(in.recurrence.row(t)[c]);
        const T a = begins ? T(0) : std::exp(log_a);
        state = a * state +
                std::sqrt(begins ? T(1) : -std::expm1(2 * log_a)) * sigmoid(in.input.row(t)[c]) * in.x.row(t)[c];
        h.row(t)[c] = state;
      }
    }
}

// ---- by vectors of channels

namespace detail {

template <class V>
struct rg_lru_gates {
  V input, recurrence, a, share;  // share = sqrt(1 - a^2)
};

/// Those of row t, of channels from c on.
template <class V, class T, class Part>
rg_lru_gates<V> rg_lru_gates_of(const rg_lru_inputs<T>& in, isize t, isize c, V rate, Part part) {
  const V input = sigmoid(part.template load<V>(in.input.row(t) + c));
  const V recurrence = sigmoid(part.template load<V>(in.recurrence.row(t) + c));
  const V one = V::set(1);
  if (in.begins && in.begins[t]) return {input, recurrence, V::zero(), one};
  // 1 - a^2 = -2 tanh(log a) / (1 - tanh(log a)), which loses nothing where a is near 1.
  const V log_a = rate * recurrence, bend = tanh(log_a);
  return {input, recurrence, exp(log_a), sqrt(V::set(-2) * bend / (one - bend))};
}

/// f(b, c, rates, part) for each vector of channels, blocks of them on all threads `batch` times.
template <class T, class F>
void rg_lru_blocks(const rg_lru_inputs<T>& in, isize batch, const F& f) {
  using V = isa::lanes<T>;
  for_channels<V>(batch, in.x.cols, in.batch / batch * in.tokens, 4096, [&](isize b, isize c, isize lanes) {
    T rate[V::width] = {};
    for (isize k = 0; k < lanes; ++k) rate[k] = rg_lru_rate(in.param[c + k]);
    isa::for_lanes<V>(lanes, [&](isize, auto part) { f(b, c, V::load(rate), part); });
  });
}

}  // namespace detail

// ---- on all threads

template <class T>
void rg_lru_kernel(cpu, matrix<T> h, const rg_lru_inputs<T>& in) {
  using V = isa::lanes<T>;
  detail::rg_lru_blocks(in, in.batch, [&](isize b, isize c, V rate, auto part) {
    V state = in.state ? part.template load<V>(in.state + b * h.cols + c) : V::zero();
    for (isize t = b * in.tokens; t < (b + 1) * in.tokens; ++t) {
      const auto gates = detail::rg_lru_gates_of<V>(in, t, c, rate, part);
      state = fma(gates.a, state, gates.share * gates.input * part.template load<V>(in.x.row(t) + c));
      part.store(state, h.row(t) + c);
    }
  });
}

// ---- the gradient

template <class T>
void rg_lru_backward_kernel(cpu, const rg_lru_gradients<T>& d, matrix<const T> dh, matrix<const T> h,
                            const rg_lru_inputs<T>& in) {
  using V = isa::lanes<T>;
  detail::rg_lru_blocks(in, 1, [&](isize, isize c, V rate, auto part) {
    const auto load = [&](const T* row) { return part.template load<V>(row + c); };
    const V one = V::set(1);
    V drate = V::zero();
    for (isize b = 0; b < in.batch; ++b) {
      V later = V::zero();  // the gradient that the next token sends to this one's state
      for (isize s = in.tokens; s-- > 0;) {
        const isize t = b * in.tokens + s;
        const auto [i, r, a, share] = detail::rg_lru_gates_of<V>(in, t, c, rate, part);
        const V before = s ? load(h.row(t - 1)) : in.state ? load(in.state + b * h.cols) : V::zero();
        const V g = load(dh.row(t)) + later, x = load(in.x.row(t)), dinput = g * share;
        later = g * a;
        part.store(dinput * i, d.x.row(t) + c);
        part.store(dinput * x * i * (one - i), d.input.row(t) + c);
        V dlog = V::zero();  // of the logarithm of a
        if (!(in.begins && in.begins[t])) {
          const V slope = V::set(1) / max(V::set(T(1e-3)), V::set(2) * share);
          dlog = g * before * a - V::set(2) * a * a * g * i * x * slope;
        }
        drate = fma(dlog, r, drate);
        part.store(dlog * rate * r * (one - r), d.recurrence.row(t) + c);
      }
    }
    part.store(V::set(-8) * sigmoid(load(in.param)) * drate, d.param + c);
  });
}

HFT_INSTANTIATE(void rg_lru_kernel(cpu, matrix<f32>, const rg_lru_inputs<f32>&))
HFT_INSTANTIATE(void rg_lru_kernel(cpu, matrix<f64>, const rg_lru_inputs<f64>&))
HFT_INSTANTIATE(void rg_lru_backward_kernel(cpu, const rg_lru_gradients<f32>&, matrix<const f32>, matrix<const f32>,
                                            const rg_lru_inputs<f32>&))
HFT_INSTANTIATE(void rg_lru_backward_kernel(cpu, const rg_lru_gradients<f64>&, matrix<const f64>, matrix<const f64>,
                                            const rg_lru_inputs<f64>&))

}  // namespace hft

HFT_INTRINSICS_END
#endif  // HFT_DEFINES
