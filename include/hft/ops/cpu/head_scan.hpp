// Mamba-2's scan on the CPU, and its gradients; heads over threads. Its step is that of a decaying sum
// (decay_attention.hpp) whose queries, keys and values are C, B and delta * x, and so is its chunk (decay_chunk.hpp),
// whose products of C and B all heads of a group share.
#pragma once
#include <hft/linkage.hpp>
#include <hft/ops/heads.hpp>
#include <hft/tensor.hpp>

namespace hft {

template <class T>
struct head_scan_inputs {
  heads_view<const T> x;     // (B,T,H,P)
  matrix<const T> delta;     // (B*T,H)
  const T* A;                // (H)
  heads_view<const T> B, C;  // (B,T,G,N)
  const T* D;                // (H)
  const T* state;            // (B,H,N,P), or null: zeros

  isize group(isize head) const { return head / (x.heads / B.heads); }
  isize state_size() const { return B.dim * x.dim; }
};

/// Where the gradients of a scan's inputs are written.
template <class T>
struct head_scan_gradients {
  heads_view<T> x;     // (B,T,H,P)
  matrix<T> delta;     // (B*T,H)
  T* A;                // (H)
  heads_view<T> B, C;  // (B,T,G,N)
  T* D;                // (H)
};

/// y (B,T,H,P) and the last state (B,H,N,P).
template <class T>
void head_scan_kernel(cpu, heads_view<T> y, T* last, const head_scan_inputs<T>& in);

/// The gradients of all inputs but the first state, from dy (B,T,H,P).
template <class T>
void head_scan_backward_kernel(cpu, const head_scan_gradients<T>& d, heads_view<const T> dy,
                               const head_scan_inputs<T>& in);

}  // namespace hft

#if HFT_DEFINES(KERNELS)
#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include <hft/ops/cpu/chunks.hpp>
#include <hft/ops/cpu/decay_attention.hpp>
#include <hft/ops/cpu/decay_chunk.hpp>
#include <hft/ops/cpu/lanes.hpp>
#include <hft/parallel.hpp>

HFT_INTRINSICS_BEGIN

namespace hft {

namespace detail {

// Calls f(batch row, head, its place among all, memory for `room` numbers) for all heads, on several threads.
template <class T, class F>
void for_each_head(const head_scan_inputs<T>& in, isize room, F f) {
  const isize H = in.x.heads;
  parallel_rows(in.x.batch * H, in.x.tokens * in.state_size(), 16384, [&](isize begin, isize end) {
    std::vector<T> scratch(static_cast<std::size_t>(room));
    for (isize r = begin; r < end; ++r) f(r / H, r % H, r, scratch.data());
  });
}

// to = a x, or to = a x + b z
template <class T>
void scaled(T* to, T a, const T* x, isize n) {
  using V = isa::lanes<T>;
  isa::for_lanes<V>(n, [&](isize i, auto part) { part.store(V::set(a) * part.template load<V>(x + i), to + i); });
}
template <class T>
void scaled_sum(T* to, T a, const T* x, T b, const T* z, isize n) {
  using V = isa::lanes<T>;
  isa::for_lanes<V>(n, [&](isize i, auto part) {
    part.store(fma(V::set(a), part.template load<V>(x + i), V::set(b) * part.template load<V>(z + i)), to + i);
  });
}

// The sum over each group's heads of parts (B*T,H,N).
template <class T>
void sum_of_heads(heads_view<T> to, const T* parts, isize heads) {
  const isize N = to.dim, G = to.heads, each = heads / G;
  parallel_rows(to.batch * to.tokens * G, each * N, 16384, [&](isize begin, isize end) {
    for (isize r = begin; r < end; ++r) {
      T* sum = to.at(r / G / to.tokens, r / G % to.tokens, r % G);
      const T* first = parts + r * each * N;
      std::copy_n(first, N, sum);
      for (isize h = 1; h < each; ++h) scaled_sum(sum, T(1), first + h * N, T(1), sum, N);
    }
  });
}

/// Tokens [0, tokens) by chunks: a group's heads, and of those blocks of columns, over threads.
inline void head_scan_by_chunks(heads_view<f32> y, f32* last, const head_scan_inputs<f32>& in, isize tokens) {
  const isize P = in.x.dim, N = in.B.dim, H = in.x.heads, G = in.B.heads;
  const isize blocks = (P + scan_columns - 1) / scan_columns;
  for_each_group(in.x.batch * G, H / G * blocks, [&](isize group, isize begin, isize end) {
    const isize b = group / G, g = group % G;
    decay_chunk chunk(N, std::min(P, scan_columns));
    for (isize first = 0; first < tokens; first += scan_tokens) {
      const isize n = std::min(scan_tokens, tokens - first);
      chunk.see(in.B, in.C, b, first, n, g);
      for (isize unit = begin; unit < end; ++unit) {
        const isize h = g * (H / G) + unit / blocks, p = unit % blocks * scan_columns;
        const isize columns = std::min(scan_columns, P - p), at = (b * H + h) * N * P + p;
        if (first == 0) begin_state(last + at, in.state ? in.state + at : nullptr, N, columns, P);
        const auto delta = [&](isize i) { return in.delta.row(b * in.x.tokens + first + i)[h]; };
        const auto x = [&](isize i) { return row_of(in.x, b, first + i, h, p, columns); };
        chunk(
            last + at, P, columns, [&](isize i, f32* to) { scaled(to, delta(i), x(i), columns); },
            [&](isize i) { return std::exp(delta(i) * in.A[h]); },
            [&](isize i, const f32* sums) {
              scaled_sum(row_of(y, b, first + i, h, p, columns), in.D[h], x(i), 1.0f, sums, columns);
            });
      }
    }
  });
}

}  // namespace detail

template <class T>
void head_scan_kernel(cpu, heads_view<T> y, T* last, const head_scan_inputs<T>& in) {
  const isize P = in.x.dim, N = in.B.dim, tokens = in.x.tokens, chunked = detail::tokens_by_chunks<T>(tokens, N, P);
  if constexpr (std::is_same_v<T, f32>)
    if (chunked) detail::head_scan_by_chunks(y, last, in, chunked);
  if (chunked && chunked == tokens) return;
  detail::for_each_head(in, P, [&](isize b, isize h, isize place, T* v) {
    T* s = last + place * N * P;
    if (!chunked) detail::begin_state(s, in.state ? in.state + place * N * P : nullptr, N * P);
    for (isize t = chunked; t < tokens; ++t) {
      const isize g = in.group(h);
      const T delta = in.delta.row(b * tokens + t)[h];
      const T* x = in.x.at(b, t, h);
      T* out = y.at(b, t, h);
      detail::scaled(v, delta, x, P);
      detail::decay_step(s, std::exp(delta * in.A[h]), in.B.at(b, t, g), v, out, in.C.at(b, t, g), N, P);
      detail::scaled_sum(out, in.D[h], x, T(1), out, P);
    }
  });
}

// With S the state, a(t) = exp(delta(t) A), v = delta x, and G the gradient of the state: as S goes on dC = S dy; back
// from the end G(t) = a(t+1) G(t+1) + C dy, dv = B G, dB = G v. The gradient of delta(t) A is <G(t), a(t) S(t-1)>,
// which needs no state: <G(t), S(t)> is C dC more than that of the next step, and B dB more than what is sought.
template <class T>
void head_scan_backward_kernel(cpu, const head_scan_gradients<T>& d, heads_view<const T> dy,
                               const head_scan_inputs<T>& in) {
  const isize P = in.x.dim, N = in.B.dim, H = in.x.heads, tokens = in.x.tokens, rows = in.x.batch * tokens;
  // What several heads or sequences add to is first written by each for itself, then summed in one order.
  const Tensor<T, 1> of_B({rows * H * N}), of_C({rows * H * N}), of_A({in.x.batch * H}), of_D({in.x.batch * H});
  detail::for_each_head(in, N * P + 2 * P, [&](isize b, isize h, isize place, T* s) {
    T *v = s + N * P, *dv = v + P;
    const isize g = in.group(h);
    const auto own = [&](const Tensor<T, 1>& parts, isize t) { return parts.data() + ((b * tokens + t) * H + h) * N; };
    const auto delta = [&](isize t) { return in.delta.row(b * tokens + t)[h]; };
    detail::begin_state(s, in.state ? in.state + place * N * P : nullptr, N * P);
    for (isize t = 0; t < tokens; ++t) {
      detail::scaled(v, delta(t), in.x.at(b, t, h), P);
      detail::decay_step(s, std::exp(delta(t) * in.A[h]), in.B.at(b, t, g), v, dv, in.C.at(b, t, g), N, P);
      detail::rows_times(own(of_C, t), s, dy.at(b, t, h), N, P);
    }
    detail::begin_state(s, static_cast<const T*>(nullptr), N * P);
    f64 of_exponent = 0, dA = 0, dD = 0;
    for (isize t = tokens; t-- > 0;) {
      const T decay = t + 1 < tokens ? std::exp(delta(t + 1) * in.A[h]) : T(0);
      const T *x = in.x.at(b, t, h), *B = in.B.at(b, t, g), *C = in.C.at(b, t, g), *dy_t = dy.at(b, t, h);
      detail::decay_step(s, decay, C, dy_t, dv, B, N, P);
      detail::scaled(v, delta(t), x, P);
      detail::rows_times(own(of_B, t), s, v, N, P);
      of_exponent += f64(detail::dot_product(C, own(of_C, t), N)) - f64(detail::dot_product(B, own(of_B, t), N));
      detail::scaled_sum(d.x.at(b, t, h), delta(t), dv, in.D[h], dy_t, P);
      d.delta.row(b * tokens + t)[h] = T(f64(detail::dot_product(dv, x, P)) + of_exponent * f64(in.A[h]));
      dA += of_exponent * f64(delta(t));
      dD += f64(detail::dot_product(dy_t, x, P));
    }
    of_A.data()[place] = T(dA), of_D.data()[place] = T(dD);
  });
  detail::sum_of_heads(d.B, of_B.data(), H);
  detail::sum_of_heads(d.C, of_C.data(), H);
  for (isize h = 0; h < H; ++h) {
    d.A[h] = d.D[h] = T(0);
    for (isize b = 0; b < in.x.batch; ++b) d.A[h] += of_A.data()[b * H + h], d.D[h] += of_D.data()[b * H + h];
  }
}

HFT_INSTANTIATE(void head_scan_kernel(cpu, heads_view<f32>, f32*, const head_scan_inputs<f32>&))
HFT_INSTANTIATE(void head_scan_kernel(cpu, heads_view<f64>, f64*, const head_scan_inputs<f64>&))
HFT_INSTANTIATE(void head_scan_backward_kernel(cpu, const head_scan_gradients<f32>&, heads_view<const f32>,
                                               const head_scan_inputs<f32>&))
HFT_INSTANTIATE(void head_scan_backward_kernel(cpu, const head_scan_gradients<f64>&, heads_view<const f64>,
                                               const head_scan_inputs<f64>&))

}  // namespace hft

HFT_INTRINSICS_END
#endif  // HFT_DEFINES
