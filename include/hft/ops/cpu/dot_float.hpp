// Dot products of f32 rows with weight rows of f32, f16 or bf16: the product y = x w^T in tiles of a few rows by a few
// tokens, without packing.
//
// Both operands are contiguous along k, so a tile of R weight rows and T tokens needs R + T loads for R * T fmas and
// one sum across lanes at its end. A tile of 4 x 6 keeps the fma units busy, so this form serves every number of
// tokens; with few tokens it reads each weight once, where it lies.
#pragma once
#include <algorithm>
#include <concepts>
#include <cstdint>

#include <hft/ops/cpu/isa.hpp>
#include <hft/tensor.hpp>

HFT_INTRINSICS_BEGIN

namespace hft::detail {

/// Plain C++: one output at a time, in eight partial sums.
template <class T>
void dot_rows(isa::generic, matrix<f32> y, matrix<const f32> x, matrix<const T> w, const f32* bias) {
  for (isize n = 0; n < w.rows; ++n)
    for (isize t = 0; t < x.rows; ++t) {
      f32 part[8] = {};
      const isize whole = x.cols / 8 * 8;
      for (isize k = 0; k < whole; k += 8)
        for (isize i = 0; i < 8; ++i) part[i] += f32(w.row(n)[k + i]) * x.row(t)[k + i];
      for (isize k = whole; k < x.cols; ++k) part[k - whole] += f32(w.row(n)[k]) * x.row(t)[k];
      const f32 sum = ((part[0] + part[4]) + (part[2] + part[6])) + ((part[1] + part[5]) + (part[3] + part[7]));
      y.row(t)[n] = bias ? sum + bias[n] : sum;
    }
}

#if defined(HFT_ISA_AVX2)

// How far ahead weights are asked for while they are read once: some 200 cache lines, because four interleaved rows are
// no pattern that the processor's own prefetcher keeps up with.
inline constexpr isize prefetch_bytes = 12 << 10;
inline void prefetch_ahead(const void* p) {
  _mm_prefetch(reinterpret_cast<const char*>(reinterpret_cast<std::uintptr_t>(p) + prefetch_bytes), _MM_HINT_T0);
}

// Four vectors to the four sums of their lanes.
inline __m128 sums_of_four(isa::f32x8 a, isa::f32x8 b, isa::f32x8 c, isa::f32x8 d) {
  const __m256 ab = _mm256_hadd_ps(a.v, b.v), cd = _mm256_hadd_ps(c.v, d.v), all = _mm256_hadd_ps(ab, cd);
  return _mm_add_ps(_mm256_castps256_ps128(all), _mm256_extractf128_ps(all, 1));
}
#if defined(HFT_ISA_AVX512)
inline isa::f32x8 halves_added(isa::f32x16 a) {
  return {_mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1))};
}
inline __m128 sums_of_four(isa::f32x16 a, isa::f32x16 b, isa::f32x16 c, isa::f32x16 d) {
  return sums_of_four(halves_added(a), halves_added(b), halves_added(c), halves_added(d));
}
#endif

// Outputs of four weight rows and Tokens tokens from row t on. Rows beyond `rows` read as the last one; they are
// computed and dropped, which spares a loop of its own for them.
template <class V, isize Tokens, class T>
void dot_tile(matrix<f32> y, matrix<const f32> x, isize t, matrix<const T> w, isize n, isize rows, const f32* bias) {
  const T* wr[4];
  for (int r = 0; r < 4; ++r) wr[r] = w.row(n + std::min<isize>(r, rows - 1));
  const f32* xr[Tokens];
  for (int i = 0; i < Tokens; ++i) xr[i] = x.row(t + i);

  V sum[4][Tokens];
  HFT_UNROLL for (int r = 0; r < 4; ++r) HFT_UNROLL for (int i = 0; i < Tokens; ++i) sum[r][i] = V::zero();
  // What is fewer stays in registers while the other side passes: 4 weights of 32 registers, or 3 tokens of 16.
  const auto step = [&](auto load_w, auto load_x) {
    if constexpr (Tokens > 3) {
      V b[4];
      HFT_UNROLL for (int r = 0; r < 4; ++r) b[r] = load_w(r);
      HFT_UNROLL for (int i = 0; i < Tokens; ++i) {
        const V a = load_x(i);
        HFT_UNROLL for (int r = 0; r < 4; ++r) sum[r][i] = fma(a, b[r], sum[r][i]);
      }
    } else {
      V a[Tokens];
      HFT_UNROLL for (int i = 0; i < Tokens; ++i) a[i] = load_x(i);
      HFT_UNROLL for (int r = 0; r < 4; ++r) {
        const V b = load_w(r);
        HFT_UNROLL for (int i = 0; i < Tokens; ++i) sum[r][i] = fma(a[i], b, sum[r][i]);
      }
    }
  };
  isize k = 0;
  for (; k + V::width <= x.cols; k += V::width) {
    if constexpr (Tokens == 1) HFT_UNROLL for (int r = 0; r < 4; ++r) prefetch_ahead(wr[r] + k);
    step([&](int r) { return V::load(wr[r] + k); }, [&](int i) { return V::load(xr[i] + k); });
  }
  if (const isize rest = x.cols - k)
    step([&](int r) { return V::load_n(wr[r] + k, rest); }, [&](int i) { return V::load_n(xr[i] + k, rest); });
  const __m128i kept = _mm_cmpgt_epi32(_mm_set1_epi32(int(rows)), _mm_setr_epi32(0, 1, 2, 3));
  const __m128 shift = bias ? _mm_maskload_ps(bias + n, kept) : _mm_setzero_ps();
  HFT_UNROLL for (int i = 0; i < Tokens; ++i) {
    const __m128 out = _mm_add_ps(sums_of_four(sum[0][i], sum[1][i], sum[2][i], sum[3][i]), shift);
    _mm_maskstore_ps(y.row(t + i) + n, kept, out);
  }
}

/// y (M, N) = x (M, K) w (N, K)^T + bias.
template <class Isa, class T>
requires std::derived_from<Isa, isa::avx2>
void dot_rows(Isa, matrix<f32> y, matrix<const f32> x, matrix<const T> w, const f32* bias) {
  using V = isa::floats<Isa>;
  constexpr isize most = V::width == 16 ? 6 : 3;  // 31 of 32 registers, or all of 16
  constexpr isize panel = 16;                     // weight rows that stay in the cache while all tokens pass
  for (isize first = 0; first < w.rows; first += panel) {
    const isize last = std::min(w.rows, first + panel);
    isize t = 0;
    const auto tile = [&]<isize Tokens>(Int<Tokens>) {
      for (isize n = first; n < last; n += 4) dot_tile<V, Tokens>(y, x, t, w, n, std::min<isize>(4, last - n), bias);
      t += Tokens;
    };
    while (t + most <= x.rows) tile(Int<most>{});
    while (t + 2 <= x.rows) tile(Int<2>{});
    if (t < x.rows) tile(Int<1>{});
  }
}

#endif

}  // namespace hft::detail

HFT_INTRINSICS_END
