// What recurrences over (N,P) states have in common where they go chunk by chunk: within a chunk of tokens a recurrence
// is attention without a softmax, between chunks it is a state, and both are products of matrices. That computes a
// little more than step by step, and does it in registers, where a step reads and writes its whole state.
#pragma once
#include <algorithm>
#include <type_traits>

#include <hft/ops/cpu/gemm_float.hpp>
#include <hft/ops/cpu/isa.hpp>
#include <hft/ops/cpu/row_product.hpp>
#include <hft/ops/heads.hpp>
#include <hft/parallel.hpp>

HFT_INTRINSICS_BEGIN

namespace hft::detail {

/// Tokens of a chunk.
inline constexpr isize scan_tokens = 64;
/// Columns of a state that one thread takes through all tokens: they know nothing of one another.
inline constexpr isize scan_columns = 64;

/// What chunks compute with, on every target.
using chunk_vector = typename gemm_tile<f32, isa::native>::V;

/// How many of the first tokens of a sequence go by chunks; the others go step by step. Which do depends on their place
/// alone, so that a sequence in parts of whole chunks is the same bits. Measured at the sizes of benchmarks/scans.cpp
/// (Zen 4, AVX-512), 8 tokens at once take 0.6 (head_scan) to 1 (gated_delta_rule) of their time step by step, 16 take
/// 0.5 to 0.85, 4 as much or more. Only f32 goes by chunks: f64 checks it.
template <class T>
isize tokens_by_chunks(isize tokens, isize states, isize columns) {
  if (!std::is_same_v<T, f32> || states < 16 || columns % chunk_vector::width != 0) return 0;
  const isize rest = tokens % scan_tokens;
  return rest < 8 ? tokens - rest : tokens;
}

/// Calls f(group, begin, end) for all units [begin, end) of each group of `each` that are one thread's, on several
/// threads. A group has something in common that f computes once.
template <class F>
void for_each_group(isize groups, isize each, F f) {
  parallel_for(groups * each, 1, [&](isize begin, isize end) {
    for (isize next = begin; next < end;) {
      const isize group = next / each, stop = std::min(end, (group + 1) * each);
      f(group, next - group * each, stop - group * each);
      next = stop;
    }
  });
}

/// s (rows, columns, at a stride) = what is given, or zeros.
template <class T>
void begin_state(T* s, const T* given, isize rows, isize columns, isize stride) {
  for (isize i = 0; i < rows * stride; i += stride)
    if (given)
      std::copy_n(given + i, columns, s + i);
    else
      std::fill_n(s + i, columns, T(0));
}

/// What is left of each token of a chunk at a later one: the products of the decays between them. None is above 1, so
/// that nothing overflows, and nothing is divided by one that has become 0.
class decays_left {
 public:
  static constexpr isize step = 16;  // whole vectors of any width

  f32 of_state = 1;  // what is left of the state before the chunk

  /// The token i, the next one, is there.
  void next(isize i, f32 decay) {
    using V = chunk_vector;
    for (isize j = 0; j < i; j += V::width) (V::set(decay) * V::load(left_ + j)).store(left_ + j);
    left_[i] = 1;
    of_state *= decay;
  }
  /// to[j] = factor * what is left of j * from[j] for j <= i, then zeros up to a multiple of `step`.
  void times(f32* to, f32 factor, const f32* from, isize i) const {
    using V = chunk_vector;
    for (isize j = 0; j <= i; j += step)
      for (isize l = j; l < j + step; l += V::width)
        (V::set(factor) * V::load(left_ + l) * V::load(from + l)).store(to + l);
  }
  f32 operator[](isize j) const { return left_[j]; }

 private:
  alignas(64) f32 left_[scan_tokens] = {};
};

/// The row of x for token t, from column `first` on; asks for `columns` of one that is needed soon. Rows of different
/// tokens lie too far apart for a processor to foresee them, and many of them share a place in its caches.
template <class T>
T* row_of(const heads_view<T>& x, isize b, isize t, isize h, isize first, isize columns) {
  constexpr isize line = 64 / isize(sizeof(T));
  const T* soon = x.at(b, std::min(t + 6, x.tokens - 1), h) + first;
  for (isize j = 0; j < columns; j += line) __builtin_prefetch(soon + j, std::is_const_v<T> ? 0 : 1);
  return x.at(b, t, h) + first;
}

/// x *= factor, for rows of whole vectors.
inline void scale_rows(f32* x, isize stride, f32 factor, isize rows, isize columns) {
  using V = chunk_vector;
  for (isize i = 0; i < rows; ++i)
    for (isize j = 0; j < columns; j += V::width) {
      f32* at = x + i * stride + j;
      (V::set(factor) * V::load(at)).store(at);
    }
}

/// to (depth, scan_tokens) = keys (n, depth), transposed; with zeros up to a multiple of decays_left::step.
inline void transpose_keys(f32* to, const f32* keys, isize stride, isize n, isize depth) {
  using V = chunk_vector;
  transpose_rows<V>(to, scan_tokens, keys, stride, n, depth);
  for (isize i = round_up(n, V::width); i < round_up(n, decays_left::step); i += V::width)
    for (isize c = 0; c < depth; ++c) V::zero().store(to + c * scan_tokens + i);
}

/// The lower triangle of c = a b, (n,n), by blocks of decays_left::step.
inline void lower_product(f32* c, const f32* a, isize a_stride, const f32* b, isize n, isize depth) {
  constexpr isize step = decays_left::step;
  for (isize i = 0; i < n; i += step)
    row_product<chunk_vector>{
        c + i * scan_tokens, scan_tokens, a + i * a_stride, a_stride, b, scan_tokens, depth, false}(
        std::min(step, n - i), i + step);
}

/// c (n,columns) += a b of a lower triangular a (n,n), whose blocks on the diagonal have their zeros.
inline void add_lower_times(f32* c, isize c_stride, const f32* a, const f32* b, isize b_stride, isize n,
                            isize columns) {
  constexpr isize step = decays_left::step;
  for (isize i = 0; i < n; i += step)
    row_product<chunk_vector>{c + i * c_stride,      c_stride, a + i * scan_tokens, scan_tokens, b, b_stride,
                              std::min(n, i + step), true}(std::min(step, n - i), columns);
}

/// The end of a chunk of n tokens: y(i, sums) takes sums (n,columns) + weights values, and the state s (depth,columns)
/// becomes what is left of it and of keys (depth,scan_tokens) times values. Values (n,columns) are scaled.
template <class Sums>
void finish_chunk(f32* s, isize s_stride, const decays_left& left, f32* sums, const f32* weights, f32* values,
                  const f32* keys, isize n, isize depth, isize columns, Sums y) {
  add_lower_times(sums, columns, weights, values, columns, n, columns);
  for (isize i = 0; i < n; ++i) {
    y(i, sums + i * columns);
    scale_rows(values + i * columns, columns, left[i], 1, columns);
  }
  scale_rows(s, s_stride, left.of_state, depth, columns);
  row_product<chunk_vector>{s, s_stride, keys, scan_tokens, values, columns, n, true}(depth, columns);
}

}  // namespace hft::detail

HFT_INTRINSICS_END
