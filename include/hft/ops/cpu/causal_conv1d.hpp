// Depthwise causal convolutions on the CPU, and their gradients.
#pragma once
#include <hft/linkage.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// The inputs of a causal convolution of `taps` = K: `tokens` = T rows of x (B*T,C) for each sequence, and the K-1 that
/// came before them (B*(K-1),C).
template <class T>
struct causal_inputs {
  matrix<const T> x, before;
  isize tokens, taps;

  /// The row of sequence b at time t >= 1 - K.
  const T* at(isize b, isize t) const { return t < 0 ? before.row((b + 1) * (taps - 1) + t) : x.row(b * tokens + t); }
};

/// All rows of y (B*T,C), from weight (C,K).
template <class T>
void causal_conv1d_kernel(cpu, matrix<T> y, const causal_inputs<T>& in, matrix<const T> weight, const T* bias);

/// last (B*(K-1),C): the inputs that come before the next tokens.
template <class T>
void causal_conv1d_state_kernel(cpu, matrix<T> last, const causal_inputs<T>& in);

/// dx (B*T,C): dx(t,c) = sum over k of weight(c,k) * dy(t+K-1-k,c), as far as the tokens go; or += if `add`.
template <class T>
void causal_conv1d_input_gradient_kernel(cpu, matrix<T> dx, matrix<const T> dy, matrix<const T> weight, isize tokens,
                                         bool add);

/// dweight(c,k) = sum over the rows of dy(t,c) * x(t-K+1+k,c), or += if `add`. Channels are split over the threads.
template <class T>
void causal_conv1d_weight_gradient_kernel(cpu, matrix<T> dweight, matrix<const T> dy, const causal_inputs<T>& in,
                                          bool add);

}  // namespace hft

#if HFT_DEFINES(KERNELS)
#include <algorithm>
#include <cstring>
#include <type_traits>

#include <hft/ops/cpu/isa.hpp>
#include <hft/ops/cpu/lanes.hpp>
#include <hft/ops/cpu/vector_math.hpp>
#include <hft/parallel.hpp>

HFT_INTRINSICS_BEGIN

namespace hft {

// ---- the oracle

/// Rows [begin, end) of y (B*T,C): y(t,c) = bias(c) + sum over k of weight(c,k) * x(t-K+1+k,c); bias may be null.
template <class T>
void causal_conv1d_kernel(isa::generic, matrix<T> y, const causal_inputs<T>& in, matrix<const T> weight, const T* bias,
                          isize begin, isize end) {
  for (isize r = begin; r < end; ++r)
    for (isize c = 0; c < y.cols; ++c) {
      T sum = bias ? bias[c] : T(0);
      for (isize k = 0; k < in.taps; ++k)
        sum += weight.row(c)[k] * in.at(r / in.tokens, r % in.tokens - in.taps + 1 + k)[c];
      y.row(r)[c] = sum;
    }
}

// ---- by vectors of channels; taps (K,C) is the weight, transposed

namespace detail {
template <class V, class T>
void causal_conv1d_rows(matrix<T> y, const causal_inputs<T>& in, matrix<const T> taps, const T* bias, isize begin,
                        isize end) {
  for (isize r = begin; r < end; ++r) {
    const isize b = r / in.tokens, first = r % in.tokens - in.taps + 1;
    isa::for_lanes<V>(y.cols, [&](isize c, auto part) {
      V sum = bias ? part.template load<V>(bias + c) : V::zero();
      for (isize k = 0; k < in.taps; ++k)
        sum = fma(part.template load<V>(taps.row(k) + c), part.template load<V>(in.at(b, first + k) + c), sum);
      part.store(sum, y.row(r) + c);
    });
  }
}

// A weight (C,K) as (K,C).
template <class T>
Tensor<T, 2> taps_of(matrix<const T> weight) {
  Tensor<T, 2> taps({weight.cols, weight.rows});
  for (isize c = 0; c < weight.rows; ++c)
    for (isize k = 0; k < weight.cols; ++k) taps.data()[k * weight.rows + c] = weight.row(c)[k];
  return taps;
}
}  // namespace detail

// ---- on all threads

template <class T>
void causal_conv1d_kernel(cpu, matrix<T> y, const causal_inputs<T>& in, matrix<const T> weight, const T* bias) {
  const auto taps = detail::taps_of(weight);
  const isize grain = std::max<isize>(1, 16384 / std::max<isize>(1, y.cols * in.taps));
  parallel_for(y.rows, grain, [&](isize begin, isize end) {
    detail::causal_conv1d_rows<isa::lanes<T>>(y, in, matrix<const T>(taps.rows()), bias, begin, end);
  });
}

template <class T>
void causal_conv1d_state_kernel(cpu, matrix<T> last, const causal_inputs<T>& in) {
  const isize kept = in.taps - 1;
  for (isize r = 0; r < last.rows; ++r)
    std::memcpy(last.row(r), in.at(r / kept, in.tokens - kept + r % kept), std::size_t(last.cols) * sizeof(T));
}

template <class T>
void causal_conv1d_input_gradient_kernel(cpu, matrix<T> dx, matrix<const T> dy, matrix<const T> weight, isize tokens,
                                         bool add) {
  using V = isa::lanes<T>;
  const auto transposed = detail::taps_of(weight);
  const auto taps = transposed.rows();
  const isize K = weight.cols;
  parallel_for(dx.rows, std::max<isize>(1, 16384 / std::max<isize>(1, dx.cols * K)), [&](isize begin, isize end) {
    for (isize r = begin; r < end; ++r) {
      const isize later = std::min(K - 1, tokens - 1 - r % tokens);  // tokens of the sequence that r reaches
      isa::for_lanes<V>(dx.cols, [&](isize c, auto part) {
        V sum = add ? part.template load<V>(dx.row(r) + c) : V::zero();
        for (isize k = 0; k <= later; ++k)
          sum = fma(part.template load<V>(taps.row(K - 1 - k) + c), part.template load<V>(dy.row(r + k) + c), sum);
        part.store(sum, dx.row(r) + c);
      });
    }
  });
}

template <class T>
void causal_conv1d_weight_gradient_kernel(cpu, matrix<T> dweight, matrix<const T> dy, const causal_inputs<T>& in,
                                          bool add) {
  using V = isa::lanes<T>;
  const isize K = in.taps;
  Tensor<T, 2> sums({K, dy.cols});
  parallel_for(dy.cols, 64, [&](isize begin, isize end) {
    for (isize k = 0; k < K; ++k) {
      T* to = sums.data() + k * dy.cols;
      std::fill(to + begin, to + end, T(0));
      for (isize r = 0; r < dy.rows; ++r) {
        const T* x = in.at(r / in.tokens, r % in.tokens - K + 1 + k);
        isa::for_lanes<V>(end - begin, [&](isize i, auto part) {
          const isize c = begin + i;
          part.store(
              fma(part.template load<V>(dy.row(r) + c), part.template load<V>(x + c), part.template load<V>(to + c)),
              to + c);
        });
      }
      for (isize c = begin; c < end; ++c) dweight.row(c)[k] = to[c] + (add ? dweight.row(c)[k] : T(0));
    }
  });
}

HFT_INSTANTIATE(void causal_conv1d_kernel(cpu, matrix<f32>, const causal_inputs<f32>&, matrix<const f32>, const f32*))
HFT_INSTANTIATE(void causal_conv1d_kernel(cpu, matrix<f64>, const causal_inputs<f64>&, matrix<const f64>, const f64*))
HFT_INSTANTIATE(void causal_conv1d_state_kernel(cpu, matrix<f32>, const causal_inputs<f32>&))
HFT_INSTANTIATE(void causal_conv1d_state_kernel(cpu, matrix<f64>, const causal_inputs<f64>&))
HFT_INSTANTIATE(void causal_conv1d_input_gradient_kernel(cpu, matrix<f32>, matrix<const f32>, matrix<const f32>, isize,
                                                         bool))
HFT_INSTANTIATE(void causal_conv1d_input_gradient_kernel(cpu, matrix<f64>, matrix<const f64>, matrix<const f64>, isize,
                                                         bool))
HFT_INSTANTIATE(void causal_conv1d_weight_gradient_kernel(cpu, matrix<f32>, matrix<const f32>,
                                                          const causal_inputs<f32>&, bool))
HFT_INSTANTIATE(void causal_conv1d_weight_gradient_kernel(cpu, matrix<f64>, matrix<const f64>,
                                                          const causal_inputs<f64>&, bool))

}  // namespace hft

HFT_INTRINSICS_END
#endif  // HFT_DEFINES
