// Integer dot products with block formats by AVX2, 32 weights of a row at a time. See dot_blocks.hpp.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include <hft/ops/cpu/dot_activations.hpp>
#include <hft/ops/cpu/dot_float.hpp>
#include <hft/quantization/block_formats.hpp>

#if defined(HFT_ISA_AVX2)

HFT_INTRINSICS_BEGIN

namespace hft::detail {

/// 32 weights: their levels, in 8 lanes of four; the scale of each lane; the minimum in the first lane, zero in the
/// others. The levels are unsigned, but Q8_0's, which would saturate 16-bit sums, signed.
struct chunk256 {
  __m256i q;
  __m256 d, m;
};

// Reads W's storage: open(b) prepares a block, chunk(c) gives the c-th 32 of its weights.
template <class W>
struct reader256;

// The nibbles of 16 bytes: the low ones, then the high ones.
inline __m256i nibbles256(const u8* p) {
  const __m128i raw = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  return _mm256_and_si256(_mm256_set_m128i(_mm_srli_epi16(raw, 4), raw), _mm256_set1_epi8(15));
}

// Adds 16 to the bytes whose bit of the word at p is set.
inline __m256i with_fifth_bits(__m256i q, const u8* p) {
  i32 bits;
  std::memcpy(&bits, p, 4);
  const __m256i byte = _mm256_shuffle_epi8(
      _mm256_set1_epi32(bits), _mm256_setr_epi64x(0, 0x0101010101010101, 0x0202020202020202, 0x0303030303030303));
  const __m256i bit = _mm256_set1_epi64x(i64(0x8040201008040201u));
  const __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(byte, bit), bit);
  return _mm256_or_si256(q, _mm256_and_si256(set, _mm256_set1_epi8(16)));
}

inline __m256 all_lanes(f32 x) { return _mm256_set1_ps(x); }
inline __m256 first_lane(f32 x) { return _mm256_zextps128_ps256(_mm_set_ss(x)); }

template <>
struct reader256<q4_0> {
  const q4_0::storage* b;
  static reader256 open(const q4_0::storage* b) { return {b}; }
  chunk256 chunk(int) const { return {nibbles256(b->qs), all_lanes(f32(b->d)), _mm256_setzero_ps()}; }
};
template <>
struct reader256<q4_1> {
  const q4_1::storage* b;
  static reader256 open(const q4_1::storage* b) { return {b}; }
  chunk256 chunk(int) const { return {nibbles256(b->qs), all_lanes(f32(b->d)), first_lane(f32(b->m))}; }
};
template <>
struct reader256<q5_0> {
  const q5_0::storage* b;
  static reader256 open(const q5_0::storage* b) { return {b}; }
  chunk256 chunk(int) const {
    return {with_fifth_bits(nibbles256(b->qs), b->qh), all_lanes(f32(b->d)), _mm256_setzero_ps()};
  }
};
template <>
struct reader256<q5_1> {
  const q5_1::storage* b;
  static reader256 open(const q5_1::storage* b) { return {b}; }
  chunk256 chunk(int) const {
    return {with_fifth_bits(nibbles256(b->qs), b->qh), all_lanes(f32(b->d)), first_lane(f32(b->m))};
  }
};
template <>
struct reader256<q8_0> {
  const q8_0::storage* b;
  static reader256 open(const q8_0::storage* b) { return {b}; }
  chunk256 chunk(int) const {
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(b->qs)), all_lanes(f32(b->d)), _mm256_setzero_ps()};
  }
};

// Q4_K and Q5_K: the scales of a block, and 32 nibbles of it.
template <class Storage>
struct k_reader256 {
  const Storage* b;
  f32 d[8], m[8];
  explicit k_reader256(const Storage* block) : b(block) { unpack_k_groups(*b, d, m); }
  chunk256 chunk(int c) const {
    const __m256i raw = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b->qs + c / 2 * 32));
    return {_mm256_and_si256(c % 2 ? _mm256_srli_epi16(raw, 4) : raw, _mm256_set1_epi8(15)), all_lanes(d[c]),
            first_lane(m[c])};
  }
};
template <>
struct reader256<q4_k> : k_reader256<q4_k::storage> {
  using k_reader256::k_reader256;
  static reader256 open(const q4_k::storage* b) { return reader256(b); }
};
template <>
struct reader256<q5_k> : k_reader256<q5_k::storage> {
  using k_reader256::k_reader256;
  static reader256 open(const q5_k::storage* b) { return reader256(b); }
  chunk256 chunk(int c) const {
    chunk256 out = k_reader256::chunk(c);
    const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(b->qh));
    const __m256i bit = _mm256_set1_epi8(char(1 << c)), set = _mm256_cmpeq_epi8(_mm256_and_si256(high, bit), bit);
    out.q = _mm256_or_si256(out.q, _mm256_and_si256(set, _mm256_set1_epi8(16)));
    return out;
  }
};
template <>
struct reader256<q6_k> {
  const q6_k::storage* b;
  f32 d;
  static reader256 open(const q6_k::storage* b) { return {b, f32(b->d)}; }
  chunk256 chunk(int c) const {
    const int half = c / 4, quarter = c % 4;
    const __m256i low = load(b->ql + 64 * half + quarter % 2 * 32), high = load(b->qh + 32 * half);
    const __m256i bottom = _mm256_and_si256(quarter / 2 ? _mm256_srli_epi16(low, 4) : low, _mm256_set1_epi8(15));
    const __m256i top = _mm256_and_si256(_mm256_srli_epi16(high, 2 * quarter), _mm256_set1_epi8(3));
    const __m128 first = _mm_set1_ps(d * f32(b->scales[2 * c])), second = _mm_set1_ps(d * f32(b->scales[2 * c + 1]));
    return {_mm256_or_si256(bottom, _mm256_slli_epi16(top, 4)), _mm256_set_m128(second, first), _mm256_setzero_ps()};
  }
  static __m256i load(const u8* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
};

// Outputs of four weight rows and Tokens tokens; rows beyond `rows` read as the last one and are dropped.
template <class W, int Tokens>
void dot_blocks_tile(isa::avx2, matrix<f32> y, const q8_rows& x, isize t, weight_matrix<W> w, isize n, isize rows,
                     const f32* bias) {
  using format = block_format<W>;
  using reader = reader256<W>;
  constexpr isize block = dtype<W>::block;
  const typename dtype<W>::storage* wr[4];
  for (int r = 0; r < 4; ++r) wr[r] = w.row(n + std::min<isize>(r, rows - 1));
  q8_row xr[Tokens];
  for (int i = 0; i < Tokens; ++i) xr[i] = x.row(t + i);

  isa::f32x8 sum[4][Tokens];
  HFT_UNROLL for (int r = 0; r < 4; ++r) HFT_UNROLL for (int i = 0; i < Tokens; ++i) sum[r][i] = isa::f32x8::zero();
  const __m256i ones = _mm256_set1_epi16(1);
  for (isize b = 0; b < w.cols / block; ++b) HFT_UNROLL for (int r = 0; r < 4; ++r) {
      const reader open = reader::open(wr[r] + b);
      for (isize c = 0; c < block / 32; c += 4) prefetch_ahead(reinterpret_cast<const char*>(wr[r] + b) + 16 * c);
      HFT_UNROLL for (int c = 0; c < block / 32; ++c) {
        const chunk256 v = open.chunk(c);
        const isize g = b * (block / 32) + c;
        HFT_UNROLL for (int i = 0; i < Tokens; ++i) {
          const __m256i xq = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(xr[i].q + 32 * g));
          __m256i dot;
          if constexpr (format::offset == 128) {
            dot = _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_abs_epi8(v.q), _mm256_sign_epi8(xq, v.q)), ones);
          } else {
            dot = _mm256_madd_epi16(_mm256_maddubs_epi16(v.q, xq), ones);
            if constexpr (format::offset != 0) {
              const __m256i fours = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(xr[i].n4 + 8 * g));
              dot = _mm256_add_epi32(dot, _mm256_slli_epi32(fours, std::countr_zero(unsigned(format::offset))));
            }
          }
          const __m256 scale = _mm256_mul_ps(v.d, _mm256_set1_ps(xr[i].ds[2 * g]));
          sum[r][i].v = _mm256_fmadd_ps(scale, _mm256_cvtepi32_ps(dot), sum[r][i].v);
          if constexpr (format::offset == 0)
            sum[r][i].v = _mm256_fmadd_ps(v.m, _mm256_set1_ps(xr[i].ds[2 * g + 1]), sum[r][i].v);
        }
      }
    }
  const __m128i kept = _mm_cmpgt_epi32(_mm_set1_epi32(int(rows)), _mm_setr_epi32(0, 1, 2, 3));
  const __m128 shift = bias ? _mm_maskload_ps(bias + n, kept) : _mm_setzero_ps();
  HFT_UNROLL for (int i = 0; i < Tokens; ++i) {
    const __m128 out = _mm_add_ps(sums_of_four(sum[0][i], sum[1][i], sum[2][i], sum[3][i]), shift);
    _mm_maskstore_ps(y.row(t + i) + n, kept, out);
  }
}

template <BlockFormat W>
void dot_blocks(isa::avx2 isa, matrix<f32> y, const q8_rows& x, weight_matrix<W> w, const f32* bias) {
  for (isize n = 0; n < w.rows; n += 4) {
    const isize rows = std::min<isize>(4, w.rows - n);
    isize t = 0;
    for (; t + 2 <= y.rows; t += 2) dot_blocks_tile<W, 2>(isa, y, x, t, w, n, rows, bias);
    if (t < y.rows) dot_blocks_tile<W, 1>(isa, y, x, t, w, n, rows, bias);
  }
}

}  // namespace hft::detail

HFT_INTRINSICS_END

#endif
