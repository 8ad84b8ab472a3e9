// Dot products of f32 rows with rows of nf4: y = x w^T, weights read where they lie.
//
// The 16 levels fit in registers, so that a code becomes its level by a permutation; products are of f32, with no error
// of 8-bit activations. The overload on isa::generic says what is computed; the others add in another order.
#pragma once
#include <algorithm>
#include <concepts>

#include <hft/ops/cpu/dot_float.hpp>
#include <hft/ops/cpu/isa.hpp>
#include <hft/quantization/nf4.hpp>
#include <hft/tensor.hpp>

HFT_INTRINSICS_BEGIN

namespace hft::detail {

/// y (M, N) = x (M, K) w (N, K)^T + bias; K is a whole number of blocks.
inline void dot_nf4(isa::generic, matrix<f32> y, matrix<const f32> x, weight_matrix<nf4> w, const f32* bias) {
  for (isize t = 0; t < y.rows; ++t)
    for (isize n = 0; n < w.rows; ++n) {
      f32 sum = 0;
      for (isize b = 0; b < w.cols / 64; ++b) {
        const nf4::storage& block = w.row(n)[b];
        const f32* part = x.row(t) + 64 * b;
        f32 dot = 0;
        for (int i = 0; i < 32; ++i)
          dot += nf4_levels[block.qs[i] >> 4] * part[2 * i] + nf4_levels[block.qs[i] & 15] * part[2 * i + 1];
        sum += dot * block.absmax;
      }
      y.row(t)[n] = bias ? sum + bias[n] : sum;
    }
}

#if defined(HFT_ISA_AVX2)

/// The levels of `width` bytes, which are 2 * width weights: those of even place, then those of odd place.
template <class V>
struct nf4_lookup;

template <>
struct nf4_lookup<isa::f32x8> {
  __m256 low = _mm256_loadu_ps(nf4_levels.data()), high = _mm256_loadu_ps(nf4_levels.data() + 8);
  void operator()(const u8* bytes, isa::f32x8& even, isa::f32x8& odd) const {
    const __m256i codes = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes)));
    even = level(_mm256_srli_epi32(codes, 4)), odd = level(codes);
  }
  isa::f32x8 level(__m256i code) const {  // of the lowest four bits
    return {_mm256_blendv_ps(_mm256_permutevar8x32_ps(low, code), _mm256_permutevar8x32_ps(high, code),
                             _mm256_castsi256_ps(_mm256_slli_epi32(code, 28)))};
  }
};
#if defined(HFT_ISA_AVX512)
template <>
struct nf4_lookup<isa::f32x16> {
  __m512 levels = _mm512_loadu_ps(nf4_levels.data());
  void operator()(const u8* bytes, isa::f32x16& even, isa::f32x16& odd) const {
    const __m512i codes = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes)));
    even = {_mm512_permutexvar_ps(_mm512_srli_epi32(codes, 4), levels)};
    odd = {_mm512_permutexvar_ps(codes, levels)};
  }
};
#endif

// Outputs of four weight rows and Tokens tokens from row t on; rows beyond `rows` read as the last one and are dropped.
// `x` has the order of nf4_lookup.
template <class V, int Tokens>
void dot_nf4_tile(matrix<f32> y, matrix<const f32> x, isize t, weight_matrix<nf4> w, isize n, isize rows,
                  const f32* bias) {
  constexpr int width = int(V::width);
  const nf4::storage* wr[4];
  for (int r = 0; r < 4; ++r) wr[r] = w.row(n + std::min<isize>(r, rows - 1));
  const f32* xr[Tokens];
  for (int i = 0; i < Tokens; ++i) xr[i] = x.row(t + i);
  const nf4_lookup<V> lookup;

  V sum[4][Tokens];
  HFT_UNROLL for (int r = 0; r < 4; ++r) HFT_UNROLL for (int i = 0; i < Tokens; ++i) sum[r][i] = V::zero();
  for (isize b = 0; b < w.cols / 64; ++b) HFT_UNROLL for (int r = 0; r < 4; ++r) {
      const nf4::storage& block = wr[r][b];
      prefetch_ahead(&block);
      V part[Tokens];
      HFT_UNROLL for (int i = 0; i < Tokens; ++i) part[i] = V::zero();
      HFT_UNROLL for (int g = 0; g < 32; g += width) {
        V even, odd;
        lookup(block.qs + g, even, odd);
        HFT_UNROLL for (int i = 0; i < Tokens; ++i) {
          const f32* from = xr[i] + 64 * b + 2 * g;
          part[i] = fma(even, V::load(from), part[i]);
          part[i] = fma(odd, V::load(from + width), part[i]);
        }
      }
      const V scale = V::set(block.absmax);
      HFT_UNROLL for (int i = 0; i < Tokens; ++i) sum[r][i] = fma(part[i], scale, sum[r][i]);
    }
  const __m128i kept = _mm_cmpgt_epi32(_mm_set1_epi32(int(rows)), _mm_setr_epi32(0, 1, 2, 3));
  const __m128 shift = bias ? _mm_maskload_ps(bias + n, kept) : _mm_setzero_ps();
  HFT_UNROLL for (int i = 0; i < Tokens; ++i) {
    const __m128 out = _mm_add_ps(sums_of_four(sum[0][i], sum[1][i], sum[2][i], sum[3][i]), shift);
    _mm_maskstore_ps(y.row(t + i) + n, kept, out);
  }
}

template <class Isa>
requires std::derived_from<Isa, isa::avx2>
void dot_nf4(Isa, matrix<f32> y, matrix<const f32> x, weight_matrix<nf4> w, const f32* bias) {
  using V = isa::floats<Isa>;
  constexpr isize width = V::width, panel = 128;  // tokens that are sorted, and pass, together
  const buffer memory = cpu::allocate(std::size_t(std::min(panel, x.rows) * x.cols) * sizeof(f32));
  for (isize first = 0; first < x.rows; first += panel) {
    const isize tokens = std::min(panel, x.rows - first);
    const matrix<f32> sorted{static_cast<f32*>(memory.data()), tokens, x.cols, x.cols};
    const matrix<f32> out{y.row(first), tokens, y.cols, y.stride};
    for (isize t = 0; t < tokens; ++t)
      for (isize k = 0; k < x.cols; k += 2 * width)
        for (isize i = 0; i < width; ++i) {
          sorted.row(t)[k + i] = x.row(first + t)[k + 2 * i];
          sorted.row(t)[k + width + i] = x.row(first + t)[k + 2 * i + 1];
        }
    for (isize n = 0; n < w.rows; n += 4) {
      const isize rows = std::min<isize>(4, w.rows - n);
      isize t = 0;
      if constexpr (width == 16)
        for (; t + 4 <= tokens; t += 4) dot_nf4_tile<V, 4>(out, sorted, t, w, n, rows, bias);
      for (; t + 2 <= tokens; t += 2) dot_nf4_tile<V, 2>(out, sorted, t, w, n, rows, bias);
      if (t < tokens) dot_nf4_tile<V, 1>(out, sorted, t, w, n, rows, bias);
    }
  }
}

#endif

}  // namespace hft::detail

HFT_INTRINSICS_END
