// Mamba's selective scan on the CPU: a vector holds one state of several channels, so that a step needs no sum over
// lanes; sequences and blocks of channels are split over the threads.
#pragma once
#include <hft/linkage.hpp>
#include <hft/tensor.hpp>

namespace hft {

template <class T>
struct scan_inputs {
  matrix<const T> u, delta;  // (B*T,C)
  matrix<const T> A;         // (C,N)
  matrix<const T> B, C;      // (B*T,N)
  const T* D;                // (C)
  const T* state;            // (B,C,N), or null: zeros
  isize batch, tokens;

  isize channels() const { return u.cols; }
  isize states() const { return A.cols; }
};

/// Where the gradients of a scan's inputs are written, all dense.
template <class T>
struct scan_gradients {
  matrix<T> u, delta;  // (B*T,C)
  matrix<T> A;         // (C,N)
  matrix<T> B, C;      // (B*T,N)
  T* D;                // (C)
};

/// Steps from one saved state to the next: backward computes the states between them again.
inline constexpr isize scan_chunk = 64;

/// y (B*T,C) and the last state (B,C,N). `saved`, if not null, gets the states before each chunk, (B,chunks,C,N), which
/// backward starts from.
template <class T>
void selective_scan_kernel(cpu, matrix<T> y, T* last, T* saved, const scan_inputs<T>& in);

/// The gradients of all inputs but the first state, from dy (B*T,C) and what the forward pass saved. Each group of
/// channels sums its own part of those of B and C.
template <class T>
void selective_scan_backward_kernel(cpu, const scan_gradients<T>& d, matrix<const T> dy, const T* saved,
                                    const scan_inputs<T>& in);

}  // namespace hft

#if HFT_DEFINES(KERNELS)
#include <algorithm>
#include <cmath>
#include <vector>

#include <hft/ops/cpu/isa.hpp>
#include <hft/ops/cpu/lanes.hpp>
#include <hft/parallel.hpp>

HFT_INTRINSICS_BEGIN

namespace hft {

// ---- the oracle

/// y (B*T,C) and the last state (B,C,N).
template <class T>
void selective_scan_kernel(isa::generic, matrix<T> y, T* last, const scan_inputs<T>& in) {
  const isize C = in.channels(), N = in.states();
  for (isize b = 0; b < in.batch; ++b)
    for (isize c = 0; c < C; ++c) {
      T* h = last + (b * C + c) * N;
      for (isize n = 0; n < N; ++n) h[n] = in.state ? in.state[(b * C + c) * N + n] : T(0);
      for (isize t = b * in.tokens; t < (b + 1) * in.tokens; ++t) {
        const T u = in.u.row(t)[c], delta = in.delta.row(t)[c];
        T sum = in.D[c] * u;
        for (isize n = 0; n < N; ++n) {
          h[n] = std::exp(delta * in.A.row(c)[n]) * h[n] + delta * u * in.B.row(t)[n];
          sum += h[n] * in.C.row(t)[n];
        }
        y.row(t)[c] = sum;
      }
    }
}

// ---- by vectors of channels

namespace detail {

// Between (C,N), from its row of the first channel on, and vectors of `lanes` channels for each state; what a vector
// has beyond them is 0.
template <class V, class T>
void load_states(T* to, const T* from, isize lanes, isize states) {
  for (isize n = 0; n < states; ++n)
    for (isize i = 0; i < V::width; ++i) to[n * V::width + i] = from && i < lanes ? from[i * states + n] : T(0);
}
template <class V, class T>
void store_states(T* to, const T* from, isize lanes, isize states) {
  for (isize i = 0; i < lanes; ++i)
    for (isize n = 0; n < states; ++n) to[i * states + n] = from[n * V::width + i];
}

/// The state h after row t of the inputs, from the one before, which may be the same memory; if `decay`, what the old
/// one was multiplied with is left there. A is that of load_states.
template <class V, class T, class Part>
void scan_step(T* h, const T* before, T* decay, const T* A, const scan_inputs<T>& in, isize t, isize c, Part part) {
  const V delta = part.template load<V>(in.delta.row(t) + c);
  const V input = delta * part.template load<V>(in.u.row(t) + c);
  for (isize n = 0; n < in.states(); ++n) {
    const V a = exp(delta * V::load(A + n * V::width));
    if (decay) a.store(decay + n * V::width);
    fma(a, V::load(before + n * V::width), input * V::set(in.B.row(t)[n])).store(h + n * V::width);
  }
}

/// Channels [c, c + lanes) of sequence b. `saved`, if not null, gets the state before each chunk: (chunks,C,N).
template <class V, class T>
void scan_channels(matrix<T> y, T* last, T* saved, const scan_inputs<T>& in, isize b, isize c, isize lanes,
                   std::vector<T>& scratch) {
  const isize C = in.channels(), N = in.states();
  scratch.resize(std::size_t(2 * N * V::width));
  T *A = scratch.data(), *h = A + N * V::width;
  load_states<V>(A, in.A.row(c), lanes, N);
  load_states<V>(h, in.state ? in.state + (b * C + c) * N : nullptr, lanes, N);
  isa::for_lanes<V>(lanes, [&](isize, auto part) {
    const V D = part.template load<V>(in.D + c);
    for (isize s = 0; s < in.tokens; ++s) {
      const isize t = b * in.tokens + s;
      if (saved && s % scan_chunk == 0) store_states<V>(saved + (s / scan_chunk * C + c) * N, h, lanes, N);
      scan_step<V>(h, h, static_cast<T*>(nullptr), A, in, t, c, part);
      V sum = D * part.template load<V>(in.u.row(t) + c);
      for (isize n = 0; n < N; ++n) sum = fma(V::load(h + n * V::width), V::set(in.C.row(t)[n]), sum);
      part.store(sum, y.row(t) + c);
    }
  });
  store_states<V>(last + (b * C + c) * N, h, lanes, N);
}

}  // namespace detail

// ---- on all threads

template <class T>
void selective_scan_kernel(cpu, matrix<T> y, T* last, T* saved, const scan_inputs<T>& in) {
  using V = isa::lanes<T>;
  const isize C = in.channels(), blocks = (C + V::width - 1) / V::width;
  const isize chunks = (in.tokens + scan_chunk - 1) / scan_chunk;
  const isize work = std::max<isize>(1, in.tokens * in.states() * V::width);
  parallel_for(in.batch * blocks, std::max<isize>(1, 4096 / work), [&](isize begin, isize end) {
    std::vector<T> scratch;
    for (isize i = begin; i < end; ++i) {
      const isize b = i / blocks, c = i % blocks * V::width;
      detail::scan_channels<V>(y, last, saved ? saved + b * chunks * C * in.states() : nullptr, in, b, c,
                               std::min(V::width, C - c), scratch);
    }
  });
}

// ---- the gradient

namespace detail {

// What several sequences or groups of channels add to is first written by each for itself, then summed in one order.
template <class T>
struct scan_partial_sums {
  T *A, *D;  // (B,C,N), (B,C)
  T *B, *C;  // (groups,B*T,N)
};

/// Channels [c, c + lanes) of sequence b, backward from the last step. B and C of `part` are those of the group, and
/// are added to.
template <class V, class T>
void scan_channels_backward(const scan_gradients<T>& d, const scan_partial_sums<T>& partial, matrix<const T> dy,
                            const T* saved, const scan_inputs<T>& in, isize b, isize c, isize lanes,
                            std::vector<T>& scratch) {
  const isize channels = in.channels(), N = in.states(), step = N * V::width;
  scratch.resize(std::size_t((2 * scan_chunk + 4) * step));
  T* A = scratch.data();
  T *dA = A + step, *later = dA + step;    // later: the gradient that the next step sends to this one's state
  T* h = later + step;                     // the states before each step of a chunk, and the last one
  T* decay = h + (scan_chunk + 1) * step;  // what each step multiplies its state with
  load_states<V>(A, in.A.row(c), lanes, N);
  std::fill(dA, later + step, T(0));
  isa::for_lanes<V>(lanes, [&](isize, auto part) {
    const auto load = [&](const T* row) { return part.template load<V>(row + c); };
    const V D = load(in.D);
    V dD = V::zero();
    for (isize chunk = (in.tokens + scan_chunk - 1) / scan_chunk; chunk-- > 0;) {
      const isize first = chunk * scan_chunk, steps = std::min(scan_chunk, in.tokens - first);
      load_states<V>(h, saved + (chunk * channels + c) * N, lanes, N);
      for (isize s = 0; s < steps; ++s)
        scan_step<V>(h + (s + 1) * step, h + s * step, decay + s * step, A, in, b * in.tokens + first + s, c, part);
      for (isize s = steps; s-- > 0;) {
        const isize t = b * in.tokens + first + s;
        const V g = load(dy.row(t)), u = load(in.u.row(t)), delta = load(in.delta.row(t));
        V du = D * g, ddelta = V::zero();
        dD = fma(g, u, dD);
        for (isize n = 0; n < N; ++n) {
          const auto at = [&](const T* vectors) { return V::load(vectors + n * V::width); };
          const V before = at(h + s * step), a = at(decay + s * step);
          const V dh = fma(g, V::set(in.C.row(t)[n]), at(later)), from_b = dh * V::set(in.B.row(t)[n]);
          const V exponent = dh * before * a;  // the gradient of delta * A
          partial.C[t * N + n] += sum(g * at(h + (s + 1) * step));
          partial.B[t * N + n] += sum(dh * u * delta);
          du = fma(from_b, delta, du);
          ddelta = fma(from_b, u, fma(exponent, at(A), ddelta));
          fma(exponent, delta, at(dA)).store(dA + n * V::width);
          (dh * a).store(later + n * V::width);
        }
        part.store(du, d.u.row(t) + c);
        part.store(ddelta, d.delta.row(t) + c);
      }
    }
    part.store(dD, partial.D + b * channels + c);
  });
  store_states<V>(partial.A + (b * channels + c) * N, dA, lanes, N);
}

/// to[i] = the sum of n parts, each `size` long.
template <class T>
void sum_of_parts(T* to, const T* parts, isize n, isize size) {
  parallel_for(size, 16384, [&](isize begin, isize end) {
    std::fill(to + begin, to + end, T(0));
    for (isize p = 0; p < n; ++p)
      for (isize i = begin; i < end; ++i) to[i] += parts[p * size + i];
  });
}

}  // namespace detail

template <class T>
void selective_scan_backward_kernel(cpu, const scan_gradients<T>& d, matrix<const T> dy, const T* saved,
                                    const scan_inputs<T>& in) {
  using V = isa::lanes<T>;
  constexpr isize group = 64;
  const isize C = in.channels(), N = in.states(), rows = in.batch * in.tokens, groups = (C + group - 1) / group;
  const isize chunks = (in.tokens + scan_chunk - 1) / scan_chunk;
  const Tensor<T, 1> of_A({in.batch * C * N}), of_D({in.batch * C});
  const auto of_B = Tensor<T, 1>::zeros({groups * rows * N}), of_C = Tensor<T, 1>::zeros({groups * rows * N});
  parallel_for(in.batch * groups, 1, [&](isize begin, isize end) {
    std::vector<T> scratch;
    for (isize i = begin; i < end; ++i) {
      const isize b = i / groups, g = i % groups, last = std::min(C, (g + 1) * group);
      const detail::scan_partial_sums<T> partial{of_A.data(), of_D.data(), of_B.data() + g * rows * N,
                                                 of_C.data() + g * rows * N};
      for (isize c = g * group; c < last; c += V::width)
        detail::scan_channels_backward<V>(d, partial, dy, saved + b * chunks * C * N, in, b, c,
                                          std::min(V::width, last - c), scratch);
    }
  });
  detail::sum_of_parts(d.A.data, of_A.data(), in.batch, C * N);
  detail::sum_of_parts(d.D, of_D.data(), in.batch, C);
  detail::sum_of_parts(d.B.data, of_B.data(), groups, rows * N);
  detail::sum_of_parts(d.C.data, of_C.data(), groups, rows * N);
}

HFT_INSTANTIATE(void selective_scan_kernel(cpu, matrix<f32>, f32*, f32*, const scan_inputs<f32>&))
HFT_INSTANTIATE(void selective_scan_kernel(cpu, matrix<f64>, f64*, f64*, const scan_inputs<f64>&))
HFT_INSTANTIATE(void selective_scan_backward_kernel(cpu, const scan_gradients<f32>&, matrix<const f32>, const f32*,
                                                    const scan_inputs<f32>&))
HFT_INSTANTIATE(void selective_scan_backward_kernel(cpu, const scan_gradients<f64>&, matrix<const f64>, const f64*,
                                                    const scan_inputs<f64>&))

}  // namespace hft

HFT_INTRINSICS_END
#endif  // HFT_DEFINES
