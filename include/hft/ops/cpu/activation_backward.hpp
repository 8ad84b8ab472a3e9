// Derivatives of the activations on the CPU, plain and gated.
#pragma once
#include <hft/linkage.hpp>
#include <hft/ops/activation_kind.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// dx = dy * f'(x), or += if `add`.
template <class T>
void activation_backward_kernel(cpu, matrix<T> dx, matrix<const T> dy, matrix<const T> x, Activation f, bool add);

/// Of y = f(gate) * up: dgate = dy * up * f'(gate), dup = dy * f(gate). All rows are dense.
template <class T>
void gated_activation_backward_kernel(cpu, matrix<T> dgate, matrix<T> dup, matrix<const T> dy, matrix<const T> gate,
                                      matrix<const T> up, Activation f);

}  // namespace hft

#if HFT_DEFINES(KERNELS)
#include <cmath>

#include <hft/ops/cpu/lanes.hpp>
#include <hft/parallel.hpp>

HFT_INTRINSICS_BEGIN

namespace hft {

namespace detail {

/// f(x) and f'(x).
template <class V>
struct value_and_slope {
  V value, slope;
};

/// Calls with(g), where g(V) gives the activation's value and slope; T is the element type of V.
template <class V, class T, class F>
void with_slope(Activation f, F&& with) {
  const auto c = [](double constant) { return V::set(T(constant)); };
  const auto gelu = [=](V x) {
    const V cdf = c(0.5) * (c(1) + erf(x * c(0.70710678118654752)));
    return value_and_slope<V>{x * cdf, fma(x * c(0.39894228040143268), exp(c(-0.5) * x * x), cdf)};
  };
  // x sigmoid(a x)
  const auto swish = [=](double a) {
    return [=](V x) {
      const V s = c(1) / (c(1) + exp(c(-a) * x));
      return value_and_slope<V>{x * s, fma(c(a) * x * s, c(1) - s, s)};
    };
  };
  const auto step = [=](V x, V above, V below) { return select(less(c(0), x), above, below); };
  switch (f) {
    case Activation::gelu:
      return with(gelu);
    case Activation::gelu_10:
      return with([=](V x) {
        const auto y = gelu(x);
        return value_and_slope<V>{min(c(10), max(c(-10), y.value)), select(less(c(10), y.value), c(0), y.slope)};
      });
    case Activation::gelu_new:
    case Activation::gelu_fast:
    case Activation::gelu_pytorch_tanh:
      return with([=](V x) {
        const V square = x * x, k = c(0.79788456080286536);
        const V t = tanh(k * x * fma(c(0.044715), square, c(1))), half = c(0.5) * (c(1) + t);
        const V inner = k * fma(c(3 * 0.044715), square, c(1));
        return value_and_slope<V>{x * half, fma(c(0.5) * x * (c(1) - t * t), inner, half)};
      });
    case Activation::quick_gelu:
      return with(swish(1.702));
    case Activation::silu:
      return with(swish(1));
    case Activation::relu:
      return with([=](V x) { return value_and_slope<V>{max(c(0), x), step(x, c(1), c(0))}; });
    case Activation::relu2:
      return with([=](V x) {
        const V positive = max(c(0), x);
        return value_and_slope<V>{positive * positive, positive + positive};
      });
    case Activation::relu6:
      return with([=](V x) {
        return value_and_slope<V>{min(c(6), max(c(0), x)), select(less(x, c(6)), step(x, c(1), c(0)), c(0))};
      });
    case Activation::leaky_relu:
      return with([=](V x) { return value_and_slope<V>{max(c(0.01) * x, x), step(x, c(1), c(0.01))}; });
    case Activation::sigmoid:
      return with([=](V x) {
        const V s = sigmoid(x);
        return value_and_slope<V>{s, s * (c(1) - s)};
      });
    case Activation::tanh:
      return with([=](V x) {
        const V t = tanh(x);
        return value_and_slope<V>{t, c(1) - t * t};
      });
    case Activation::mish:  // x tanh(log(1 + e^x)); tanh(log(1 + e)) = n / (n + 2) with n = e (e + 2)
      return with([=](V x) {
        const V e = exp(min(c(20), x)), n = e * (e + c(2)), t = n / (n + c(2));
        return value_and_slope<V>{x * t, fma(x * (c(1) - t * t), sigmoid(x), t)};
      });
    case Activation::hardswish:
      return with([=](V x) {
        const V inside = fma(x, c(1.0 / 3), c(0.5));
        const V slope = select(less(c(-3), x), select(less(x, c(3)), inside, c(1)), c(0));
        return value_and_slope<V>{x * min(c(6), max(c(0), x + c(3))) / c(6), slope};
      });
    case Activation::laplace:
      return with([=](V x) {
        const V z = (x - c(0.707107)) / c(0.282095 * 1.4142135623730951);
        return value_and_slope<V>{c(0.5) * (c(1) + erf(z)),
                                  c(0.56418958354775629 / (0.282095 * 1.4142135623730951)) * exp(c(0) - z * z)};
      });
    case Activation::linear:
      return with([=](V x) { return value_and_slope<V>{x, c(1)}; });
    case Activation::sqrtsoftplus:
      if constexpr (V::width == 1) {
        return with([=](V x) {
          const T root = std::sqrt(x.v > 20 ? x.v : std::log1p(std::exp(x.v)));
          return value_and_slope<V>{V{root}, sigmoid(x) / V{2 * root}};
        });
      }
      return;
  }
}

template <class T, class F>
void with_slope(Activation f, F&& with) {
  using V = isa::lanes<T>;
  if (f == Activation::sqrtsoftplus)  // there is no logarithm of a vector
    with_slope<isa::single<T>, T>(f, [&](auto g) { with(g, isa::single<T>{}); });
  else
    with_slope<V, T>(f, [&](auto g) { with(g, V::zero()); });
}

}  // namespace detail

template <class T>
void activation_backward_kernel(cpu, matrix<T> dx, matrix<const T> dy, matrix<const T> x, Activation f, bool add) {
  detail::parallel_rows(x.rows, x.cols, 16384, [&](isize begin, isize end) {
    detail::with_slope<T>(f, [&]<class G, class V>(G g, V) {
      for (isize r = begin; r < end; ++r)
        isa::for_lanes<V>(x.cols, [&, to = dx.row(r), dyr = dy.row(r), xr = x.row(r)](isize i, auto part) {
          V d = part.template load<V>(dyr + i) * g(part.template load<V>(xr + i)).slope;
          if (add) d = d + part.template load<V>(to + i);
          part.store(d, to + i);
        });
    });
  });
}

template <class T>
void gated_activation_backward_kernel(cpu, matrix<T> dgate, matrix<T> dup, matrix<const T> dy, matrix<const T> gate,
                                      matrix<const T> up, Activation f) {
  detail::parallel_rows(gate.rows, gate.cols, 16384, [&](isize begin, isize end) {
    detail::with_slope<T>(f, [&]<class G, class V>(G g, V) {
      for (isize r = begin; r < end; ++r)
        isa::for_lanes<V>(gate.cols, [&](isize i, auto part) {
          const V d = part.template load<V>(dy.row(r) + i);
          const auto y = g(part.template load<V>(gate.row(r) + i));
          part.store(d * part.template load<V>(up.row(r) + i) * y.slope, dgate.row(r) + i);
          part.store(d * y.value, dup.row(r) + i);
        });
    });
  });
}

HFT_INSTANTIATE(void activation_backward_kernel(cpu, matrix<f32>, matrix<const f32>, matrix<const f32>, Activation,
                                                bool))
HFT_INSTANTIATE(void activation_backward_kernel(cpu, matrix<f64>, matrix<const f64>, matrix<const f64>, Activation,
                                                bool))
HFT_INSTANTIATE(void gated_activation_backward_kernel(cpu, matrix<f32>, matrix<f32>, matrix<const f32>,
                                                      matrix<const f32>, matrix<const f32>, Activation))
HFT_INSTANTIATE(void gated_activation_backward_kernel(cpu, matrix<f64>, matrix<f64>, matrix<const f64>,
                                                      matrix<const f64>, matrix<const f64>, Activation))

}  // namespace hft

HFT_INTRINSICS_END
#endif  // HFT_DEFINES
