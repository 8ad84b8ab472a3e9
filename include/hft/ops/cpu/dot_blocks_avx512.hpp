// Integer dot products with block formats by AVX-512 VNNI, 64 weights of a row at a time. See dot_blocks.hpp.
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include <hft/ops/cpu/dot_activations.hpp>
#include <hft/ops/cpu/dot_float.hpp>
#include <hft/quantization/block_formats.hpp>

#if defined(HFT_ISA_AVX512VNNI)

HFT_INTRINSICS_BEGIN

namespace hft::detail {

// Four rows of W, `unit` weights of each from the same column on.
//   reader512(b, half)   `half`: only the first 32 of 64 weights are there, the others read as zero
//   levels(r, c)         64 levels of row r, chunk c: 16 lanes of four
//   product(ds)          the scales and minima of the four rows times those of a token: `ds` is (d, sum) of each group
//   lanes(p, r, c)       the scales in product p that belong to the lanes of levels(r, c)
//   add_minima(p, sum, shared)   adds the minima in product p to the lanes of the rows' sums, or to `shared`
//   finish(sum, shared)  adds `shared` to the rows' sums
//   scales(r, c, d, m)   the scales and minima of chunk c, one for each group
template <class W>
struct reader512;

// The levels in 16 bytes, of which the first and third quarters count the low nibbles, the others the high ones.
inline __m512i nibbles512(__m512i twice) {
#if defined(__GFNI__)
  // One multiplication by a bit matrix: the low four bits of each byte, or the high ones shifted down.
  const __m512i select = _mm512_broadcast_i32x8(
      _mm256_setr_epi64x(0x0102040800000000, 0x0102040800000000, 0x1020408000000000, 0x1020408000000000));
  return _mm512_gf2p8affine_epi64_epi8(twice, select, 0);
#else
  const __m512i shift = _mm512_broadcast_i32x8(_mm256_setr_epi64x(0, 0, 0x0004000400040004, 0x0004000400040004));
  return _mm512_and_si512(_mm512_srlv_epi16(twice, shift), _mm512_set1_epi8(15));
#endif
}

// Formats of 32 weights, two blocks of each row as one vector of 16-bit words. A block is `Words` words: the scale, the
// minimum if HasMin, the fifth bits from word `Fifth` on if that is not 0, and from word `Nibbles` on 16 bytes of
// nibbles.
template <class W, int Words, bool HasMin, int Fifth, int Nibbles>
struct pair_reader512 {
  static constexpr isize unit = 64;
  using storage = typename dtype<W>::storage;
  using words = std::array<std::uint16_t, 32>;
  static_assert(sizeof(storage) == 2 * Words);

  // Twice the nibbles of the first block, then twice those of the second.
  static constexpr words nibble_index = [] {
    words w{};
    for (int i = 0; i < 32; ++i) w[std::size_t(i)] = std::uint16_t(i / 16 * Words + Nibbles + i % 8);
    return w;
  }();
  // The first two words of each block: of row 0, of row 1 (index 32 on: the second operand), and the same again.
  static constexpr words scale_index = [] {
    words w{};
    for (int i = 0; i < 32; ++i) w[std::size_t(i)] = std::uint16_t(i % 2 + i / 2 % 2 * Words + i / 4 % 2 * 32);
    return w;
  }();

  __m512i raw[4];
  __m512 all;  // for each row: scale and minimum of the first block, then of the second
  std::uint64_t fifth[4];

  pair_reader512(const storage* const* b, bool half) {
    const __mmask32 mask = half ? (1u << Words) - 1 : (1u << 2 * Words) - 1;
    HFT_UNROLL for (int r = 0; r < 4; ++r) {
      raw[r] = _mm512_maskz_loadu_epi16(mask, b[r]);
      if constexpr (Fifth != 0) {
        std::uint32_t low, high = 0;
        std::memcpy(&low, b[r][0].qh, 4);
        if (!half) std::memcpy(&high, b[r][1].qh, 4);
        fifth[r] = low | std::uint64_t(high) << 32;
      }
    }
    const __m512i index = _mm512_loadu_si512(scale_index.data());
    const __m512i top = _mm512_permutex2var_epi16(raw[0], index, raw[1]);
    const __m512i bottom = _mm512_permutex2var_epi16(raw[2], index, raw[3]);
    all = _mm512_cvtph_ps(_mm256_blend_epi32(_mm512_castsi512_si256(top), _mm512_castsi512_si256(bottom), 0xf0));
  }
  __m512i levels(int r, int) const {
    const __m512i q = nibbles512(_mm512_permutexvar_epi16(_mm512_loadu_si512(nibble_index.data()), raw[r]));
    if constexpr (Fifth != 0) return _mm512_mask_add_epi8(q, fifth[r], q, _mm512_set1_epi8(16));
    return q;
  }
  __m512 product(const f32* ds) const { return _mm512_mul_ps(all, _mm512_broadcast_f32x4(_mm_loadu_ps(ds))); }
  static __m512 lanes(__m512 p, int r, int) {
    const __m512i first = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 2, 2, 2, 2, 2, 2);
    return _mm512_permutexvar_ps(_mm512_add_epi32(first, _mm512_set1_epi32(4 * r)), p);
  }
  static void add_minima(__m512 p, __m512 (&)[4], __m512& shared) { shared = _mm512_add_ps(shared, p); }
  static void finish(__m512 (&sum)[4], __m512 shared) {
    HFT_UNROLL for (int r = 0; r < 4; ++r) sum[r] = _mm512_mask_add_ps(sum[r], __mmask16(10 << 4 * r), sum[r], shared);
  }
  void scales(int r, int, f32* d, f32* m) const {
    alignas(64) f32 value[16];
    _mm512_store_ps(value, all);
    d[0] = value[4 * r], m[0] = value[4 * r + 1], d[1] = value[4 * r + 2], m[1] = value[4 * r + 3];
  }
};

template <>
struct reader512<q4_0> : pair_reader512<q4_0, 9, false, 0, 1> {
  using pair_reader512::pair_reader512;
};
template <>
struct reader512<q4_1> : pair_reader512<q4_1, 10, true, 0, 2> {
  using pair_reader512::pair_reader512;
};
template <>
struct reader512<q5_0> : pair_reader512<q5_0, 11, false, 1, 3> {
  using pair_reader512::pair_reader512;
};
template <>
struct reader512<q5_1> : pair_reader512<q5_1, 12, true, 2, 4> {
  using pair_reader512::pair_reader512;
};

template <>
struct reader512<q8_0> {
  static constexpr isize unit = 64;
  __m512i q[4];
  __m512 d[4];

  reader512(const q8_0::storage* const* b, bool half) {
    HFT_UNROLL for (int r = 0; r < 4; ++r) {
      const q8_0::storage &first = b[r][0], &second = b[r][half ? 0 : 1];
      q[r] = _mm512_inserti64x4(_mm512_castsi256_si512(load(first.qs)), load(second.qs), 1);
      const __m128i d0 = _mm_set1_epi16(i16(first.d.bits)), d1 = _mm_set1_epi16(i16(half ? 0 : second.d.bits));
      d[r] = _mm512_cvtph_ps(_mm256_set_m128i(d1, d0));
    }
  }
  __m512i levels(int r, int) const { return _mm512_xor_si512(q[r], _mm512_set1_epi8(char(128))); }
  struct token {
    const reader512* weights;
    __m512 d;
  };
  token product(const f32* ds) const {
    const __m512i index = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 2, 2, 2, 2, 2, 2);
    return {this, _mm512_permutexvar_ps(index, _mm512_broadcast_f32x4(_mm_loadu_ps(ds)))};
  }
  static __m512 lanes(const token& p, int r, int) { return _mm512_mul_ps(p.weights->d[r], p.d); }
  static void add_minima(const token&, __m512 (&)[4], __m512&) {}
  static void finish(__m512 (&)[4], __m512) {}
  void scales(int r, int, f32* to, f32*) const {
    alignas(64) f32 value[16];
    _mm512_store_ps(value, d[r]);
    to[0] = value[0], to[1] = value[8];
  }

 private:
  static __m256i load(const i8* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
};

// Formats of 256 weights: 16 scales for each row, or 8 scales each followed by its minimum.
template <class W>
struct k_reader512 {
  static constexpr isize unit = 256;
  static constexpr bool has_min = block_format<W>::offset == 0;
  const typename dtype<W>::storage* b[4];
  __m512 all[4];
  struct token {
    __m512 of_row[4];
  };

  token product(const f32* ds) const {
    __m512 x = _mm512_loadu_ps(ds);
    if constexpr (!has_min) x = _mm512_moveldup_ps(x);  // both halves of a group have its scale
    token p;
    HFT_UNROLL for (int r = 0; r < 4; ++r) p.of_row[r] = _mm512_mul_ps(all[r], x);
    return p;
  }
  static __m512 lanes(const token& p, int r, int c) {
    const __m512i index = has_min ? _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 2, 2, 2, 2, 2, 2)
                                  : _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    return _mm512_permutexvar_ps(_mm512_add_epi32(index, _mm512_set1_epi32(4 * c)), p.of_row[r]);
  }
  static void add_minima(const token& p, __m512 (&sum)[4], __m512&) {
    HFT_UNROLL for (int r = 0; r < 4; ++r) sum[r] = _mm512_mask_add_ps(sum[r], 0xaaaa, sum[r], p.of_row[r]);
  }
  static void finish(__m512 (&)[4], __m512) {}
  void scales(int r, int c, f32* d, f32* m) const {
    alignas(64) f32 value[16];
    _mm512_store_ps(value, all[r]);
    if constexpr (has_min)
      d[0] = value[4 * c], m[0] = value[4 * c + 1], d[1] = value[4 * c + 2], m[1] = value[4 * c + 3];
    else
      for (int i = 0; i < 4; ++i) d[i] = value[4 * c + i];
  }
};

// Q4_K and Q5_K: d * scale and -dmin * min in turns.
template <class Storage>
__m512 k_scales512(const Storage& b) {
  std::uint32_t raw[3], bytes[4];  // the 6-bit packing of unpack_k_scales, four at a time
  std::memcpy(raw, b.scales, 12);
  bytes[0] = raw[0] & 0x3f3f3f3f;
  bytes[1] = (raw[2] & 0x0f0f0f0f) | (raw[0] >> 6 & 0x03030303) << 4;
  bytes[2] = raw[1] & 0x3f3f3f3f;
  bytes[3] = (raw[2] >> 4 & 0x0f0f0f0f) | (raw[1] >> 6 & 0x03030303) << 4;
  const __m128i apart = _mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes));
  const __m512 levels = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_unpacklo_epi8(apart, _mm_srli_si128(apart, 8))));
  const __m512 d = _mm512_mask_blend_ps(0xaaaa, _mm512_set1_ps(f32(b.d)), _mm512_set1_ps(-f32(b.dmin)));
  return _mm512_mul_ps(levels, d);
}

// The low nibbles of 32 bytes, then the high ones.
inline __m512i nibbles_of_32(const u8* p) {
  const __m512i twice = _mm512_broadcast_i64x4(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  const __m512i shift = _mm512_inserti64x4(_mm512_setzero_si512(), _mm256_set1_epi16(4), 1);
  return _mm512_and_si512(_mm512_srlv_epi16(twice, shift), _mm512_set1_epi8(15));
}

template <>
struct reader512<q4_k> : k_reader512<q4_k> {
  reader512(const q4_k::storage* const* rows, bool) {
    HFT_UNROLL for (int r = 0; r < 4; ++r) b[r] = rows[r], all[r] = k_scales512(*rows[r]);
  }
  __m512i levels(int r, int c) const { return nibbles_of_32(b[r]->qs + 32 * c); }
};
template <>
struct reader512<q5_k> : k_reader512<q5_k> {
  reader512(const q5_k::storage* const* rows, bool) {
    HFT_UNROLL for (int r = 0; r < 4; ++r) b[r] = rows[r], all[r] = k_scales512(*rows[r]);
  }
  __m512i levels(int r, int c) const {
    const __m512i q = nibbles_of_32(b[r]->qs + 32 * c);
    const __m512i high = _mm512_broadcast_i64x4(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(b[r]->qh)));
    const __m512i bit = _mm512_inserti64x4(_mm512_set1_epi8(char(1 << 2 * c)), _mm256_set1_epi8(char(2 << 2 * c)), 1);
    return _mm512_mask_add_epi8(q, _mm512_test_epi8_mask(high, bit), q, _mm512_set1_epi8(16));
  }
};
template <>
struct reader512<q6_k> : k_reader512<q6_k> {
  reader512(const q6_k::storage* const* rows, bool) {
    HFT_UNROLL for (int r = 0; r < 4; ++r) {
      b[r] = rows[r];
      const __m512i level = _mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(b[r]->scales)));
      all[r] = _mm512_mul_ps(_mm512_cvtepi32_ps(level), _mm512_set1_ps(f32(b[r]->d)));
    }
  }
  // Chunks 0 and 1 are the low and high nibbles of the first 64 bytes, 2 and 3 those of the others.
  __m512i levels(int r, int c) const {
    const __m512i low = _mm512_loadu_si512(b[r]->ql + c / 2 * 64);
    const __m512i high =
        _mm512_broadcast_i64x4(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(b[r]->qh + c / 2 * 32)));
    const short first = short(c % 2 * 4);
    const __m512i shift = _mm512_inserti64x4(_mm512_set1_epi16(first), _mm256_set1_epi16(short(first + 2)), 1);
    const __m512i top = _mm512_and_si512(_mm512_srlv_epi16(high, shift), _mm512_set1_epi8(3));
    const __m512i bottom = _mm512_and_si512(c % 2 ? _mm512_srli_epi16(low, 4) : low, _mm512_set1_epi8(15));
    return _mm512_or_si512(bottom, _mm512_slli_epi16(top, 4));
  }
};

// Outputs of four weight rows and Tokens tokens; rows beyond `rows` read as the last one and are dropped.
template <class W, int Tokens>
void dot_blocks_tile(isa::avx512vnni, matrix<f32> y, const q8_rows& x, isize t, weight_matrix<W> w, isize n, isize rows,
                     const f32* bias) {
  using format = block_format<W>;
  using reader = reader512<W>;
  constexpr isize block = dtype<W>::block, unit = reader::unit;
  const typename dtype<W>::storage* wr[4];
  for (int r = 0; r < 4; ++r) wr[r] = w.row(n + std::min<isize>(r, rows - 1));
  q8_row xr[Tokens];
  for (int i = 0; i < Tokens; ++i) xr[i] = x.row(t + i);

  __m512 sum[Tokens][4], shared[Tokens];
  HFT_UNROLL for (int i = 0; i < Tokens; ++i) {
    HFT_UNROLL for (int r = 0; r < 4; ++r) sum[i][r] = _mm512_setzero_ps();
    shared[i] = _mm512_setzero_ps();
  }
  for (isize k = 0; k < w.cols; k += unit) {
    const typename dtype<W>::storage* at[4];
    HFT_UNROLL for (int r = 0; r < 4; ++r) {
      at[r] = wr[r] + k / block;
      HFT_UNROLL for (isize c = 0; c < unit / 64; ++c) prefetch_ahead(reinterpret_cast<const char*>(at[r]) + 64 * c);
    }
    const reader four(at, w.cols - k < 64);
    HFT_UNROLL for (int i = 0; i < Tokens; ++i) {
      const auto product = four.product(xr[i].ds + k / 16);
      if constexpr (format::offset == 0) four.add_minima(product, sum[i], shared[i]);
      HFT_UNROLL for (int c = 0; c < unit / 64; ++c) {
        const __m512i xq = _mm512_loadu_si512(xr[i].q + k + 64 * c);
        __m512i start = _mm512_setzero_si512();
        if constexpr (format::offset != 0)
          start = _mm512_slli_epi32(_mm512_loadu_si512(xr[i].n4 + k / 4 + 16 * c),
                                    std::countr_zero(unsigned(format::offset)));
        HFT_UNROLL for (int r = 0; r < 4; ++r) {
          const __m512 dot = _mm512_cvtepi32_ps(_mm512_dpbusd_epi32(start, four.levels(r, c), xq));
          sum[i][r] = _mm512_fmadd_ps(four.lanes(product, r, c), dot, sum[i][r]);
        }
      }
    }
  }
  const __m128i kept = _mm_cmpgt_epi32(_mm_set1_epi32(int(rows)), _mm_setr_epi32(0, 1, 2, 3));
  const __m128 shift = bias ? _mm_maskload_ps(bias + n, kept) : _mm_setzero_ps();
  HFT_UNROLL for (int i = 0; i < Tokens; ++i) {
    if constexpr (format::offset == 0) reader::finish(sum[i], shared[i]);
    using V = isa::f32x16;
    const __m128 out = _mm_add_ps(sums_of_four(V{sum[i][0]}, V{sum[i][1]}, V{sum[i][2]}, V{sum[i][3]}), shift);
    _mm_maskstore_ps(y.row(t + i) + n, kept, out);
  }
}

template <BlockFormat W>
void dot_blocks(isa::avx512vnni isa, matrix<f32> y, const q8_rows& x, weight_matrix<W> w, const f32* bias) {
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
