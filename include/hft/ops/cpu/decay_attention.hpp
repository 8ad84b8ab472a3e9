// Attention by a decaying sum on the CPU, and its gradients; heads over threads. Of a prompt's tokens a chunk at a time
// is computed by products (decay_chunk.hpp), the others step by step.
#pragma once
#include <hft/linkage.hpp>
#include <hft/ops/heads.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// Queries, keys and values (B,T,H,D), the decay of each head (H), and the state (B,H,D,D) before the first token, or
/// null for zeros.
template <class T>
struct decay_inputs {
  heads_view<const T> q, k, v;
  const T* decay;
  const T* state;
};

/// y (B,T,H,D), and the state after the last token (B,H,D,D).
template <class T>
void decay_attention_kernel(cpu, heads_view<T> y, T* last, const decay_inputs<T>& in);

/// Gradients (B,T,H,D) of queries, keys and values; `scratch` has room for (B,H,D,D).
template <class T>
void decay_attention_backward_kernel(cpu, heads_view<T> dq, heads_view<T> dk, heads_view<T> dv, T* scratch,
                                     heads_view<const T> dy, const decay_inputs<T>& in);

}  // namespace hft

#if HFT_DEFINES(KERNELS)
#include <algorithm>
#include <type_traits>

#include <hft/ops/cpu/chunks.hpp>
#include <hft/ops/cpu/decay_chunk.hpp>
#include <hft/ops/cpu/lanes.hpp>
#include <hft/ops/cpu/vector_math.hpp>
#include <hft/parallel.hpp>

HFT_INTRINSICS_BEGIN

namespace hft {

namespace detail {

// Calls f(batch row, head, its state's place) for all heads, on several threads.
template <class T, class F>
void for_each_state(const decay_inputs<T>& in, F f) {
  const isize D = in.q.dim, H = in.q.heads;
  parallel_rows(in.q.batch * H, in.q.tokens * D * D, 16384, [&](isize begin, isize end) {
    for (isize r = begin; r < end; ++r) f(r / H, r % H, r * D * D);
  });
}

// s (N,P) = decay s + a b, of a (N) and b (P); and out (P) = c s.
template <class T>
void decay_step(T* s, T decay, const T* a, const T* b, T* out, const T* c, isize N, isize P) {
  using V = isa::lanes<T>;
  isa::for_lanes<V>(P, [&](isize j, auto part) {
    const V bj = part.template load<V>(b + j), kept = V::set(decay);
    V sum = V::zero();
    for (isize i = 0; i < N; ++i) {
      T* at = s + i * P + j;
      const V now = fma(V::set(a[i]), bj, kept * part.template load<V>(at));
      part.store(now, at);
      sum = fma(V::set(c[i]), now, sum);
    }
    part.store(sum, out + j);
  });
}

template <class T>
T dot_product(const T* a, const T* b, isize n) {
  using V = isa::lanes<T>;
  return isa::sum_lanes<V>(
      n, [&](isize i, auto part) { return part.template load<V>(a + i) * part.template load<V>(b + i); });
}

// out (N) = s b, of s (N,P)
template <class T>
void rows_times(T* out, const T* s, const T* b, isize N, isize P) {
  for (isize i = 0; i < N; ++i) out[i] = dot_product(s + i * P, b, P);
}

template <class T>
void begin_state(T* s, const T* given, isize size) {
  begin_state(s, given, 1, size, size);
}

/// Tokens [0, tokens) by chunks: heads, and of those blocks of columns, over threads.
inline void decay_attention_by_chunks(heads_view<f32> y, f32* last, const decay_inputs<f32>& in, isize tokens) {
  const isize D = in.q.dim, H = in.q.heads, blocks = (D + scan_columns - 1) / scan_columns;
  for_each_group(in.q.batch * H, blocks, [&](isize group, isize begin, isize end) {
    const isize b = group / H, h = group % H, p = begin * scan_columns, at = group * D * D + p;
    const isize columns = std::min(end * scan_columns, D) - p;
    decay_chunk chunk(D, columns);
    begin_state(last + at, in.state ? in.state + at : nullptr, D, columns, D);
    for (isize first = 0; first < tokens; first += scan_tokens) {
      const isize n = std::min(scan_tokens, tokens - first);
      chunk.see(in.k, in.q, b, first, n, h);
      chunk(
          last + at, D, columns,
          [&](isize i, f32* to) { std::copy_n(row_of(in.v, b, first + i, h, p, columns), columns, to); },
          [&](isize) { return in.decay[h]; },
          [&](isize i, const f32* sums) { std::copy_n(sums, columns, row_of(y, b, first + i, h, p, columns)); });
    }
  });
}

}  // namespace detail

template <class T>
void decay_attention_kernel(cpu, heads_view<T> y, T* last, const decay_inputs<T>& in) {
  const isize D = in.q.dim, tokens = in.q.tokens, chunked = detail::tokens_by_chunks<T>(tokens, D, D);
  if constexpr (std::is_same_v<T, f32>)
    if (chunked) detail::decay_attention_by_chunks(y, last, in, chunked);
  if (chunked && chunked == tokens) return;
  detail::for_each_state(in, [&](isize b, isize h, isize at) {
    T* s = last + at;
    if (!chunked) detail::begin_state(s, in.state ? in.state + at : nullptr, D * D);
    for (isize t = chunked; t < tokens; ++t)
      detail::decay_step(s, in.decay[h], in.k.at(b, t, h), in.v.at(b, t, h), y.at(b, t, h), in.q.at(b, t, h), D, D);
  });
}

// With S the state and G its gradient: dq = S dy as S goes on; back from the end G = decay G + q dy, dk = G v, dv = k
// G.
template <class T>
void decay_attention_backward_kernel(cpu, heads_view<T> dq, heads_view<T> dk, heads_view<T> dv, T* scratch,
                                     heads_view<const T> dy, const decay_inputs<T>& in) {
  const isize D = in.q.dim;
  detail::for_each_state(in, [&](isize b, isize h, isize at) {
    T* s = scratch + at;
    detail::begin_state(s, in.state ? in.state + at : nullptr, D * D);
    for (isize t = 0; t < in.q.tokens; ++t) {
      // What the step gives beside is written to dv, which is not yet in use.
      detail::decay_step(s, in.decay[h], in.k.at(b, t, h), in.v.at(b, t, h), dv.at(b, t, h), in.q.at(b, t, h), D, D);
      detail::rows_times(dq.at(b, t, h), s, dy.at(b, t, h), D, D);
    }
    detail::begin_state(s, static_cast<const T*>(nullptr), D * D);
    for (isize t = in.q.tokens; t-- > 0;) {
      detail::decay_step(s, in.decay[h], in.q.at(b, t, h), dy.at(b, t, h), dv.at(b, t, h), in.k.at(b, t, h), D, D);
      detail::rows_times(dk.at(b, t, h), s, in.v.at(b, t, h), D, D);
    }
  });
}

HFT_INSTANTIATE(void decay_attention_kernel(cpu, heads_view<f32>, f32*, const decay_inputs<f32>&))
HFT_INSTANTIATE(void decay_attention_kernel(cpu, heads_view<f64>, f64*, const decay_inputs<f64>&))
HFT_INSTANTIATE(void decay_attention_backward_kernel(cpu, heads_view<f32>, heads_view<f32>, heads_view<f32>, f32*,
                                                     heads_view<const f32>, const decay_inputs<f32>&))
HFT_INSTANTIATE(void decay_attention_backward_kernel(cpu, heads_view<f64>, heads_view<f64>, heads_view<f64>, f64*,
                                                     heads_view<const f64>, const decay_inputs<f64>&))

}  // namespace hft

HFT_INTRINSICS_END
#endif  // HFT_DEFINES
