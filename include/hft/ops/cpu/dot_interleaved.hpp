// Integer products of 16-bit activations with block formats by AVX2: y = x w^T.
//
// Eight rows of weights stand interleaved (interleave.hpp): an activation pair, broadcast, meets a vector of eight
// rows, whose lanes are the eight outputs, so no sum across lanes is ever needed. For one token the levels are taken
// straight from the interleaved bytes, which are read once and in order; for more, eight rows at a time are unpacked to
// 16 bits and stay in cache. Each output is the same sum in the same order either way.
#pragma once
#include <algorithm>
#include <bit>
#include <cstdint>
#include <utility>

#include <hft/ops/cpu/dot_activations16.hpp>
#include <hft/ops/cpu/interleave.hpp>

#if defined(HFT_ISA_AVX2)

HFT_INTRINSICS_BEGIN

namespace hft::detail {

inline __m256i load256(const std::byte* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
inline __m256i low_bits(__m256i words, int shift, int bits) {
  return _mm256_and_si256(_mm256_srli_epi16(words, shift), _mm256_set1_epi16(i16((1 << bits) - 1)));
}
// Bit `from` of each 16-bit word, moved to bit `to`.
inline __m256i moved_bit(__m256i words, int from, int to) {
  const __m256i there = from < to ? _mm256_slli_epi16(words, to - from) : _mm256_srli_epi16(words, from - to);
  return _mm256_and_si256(there, _mm256_set1_epi16(i16(1 << to)));
}
inline __m256 load_halves(const std::byte* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}

// Reads an interleaved block of W, lane r of each vector being row r:
//   pair(c, i)     the levels of columns (4j, 4j + 2), or (4j + 1, 4j + 3), of the c-th 32 columns, in 16 bits each;
//                  j = i / 2, the latter for odd i
//   scale(c, h)    the scale of the h-th group in the c-th 32 columns
//   minimum(c)     the minimum of the c-th 32 columns, where W has minima
template <class W>
struct reader16 {
  using block = interleaved_block<W>;
  const std::byte* b;

  __m256i word(int i) const { return load256(b + 32 * i); }
  __m256 half(int i) const { return load_halves(b + 32 * block::words + 16 * i); }
  __m256 scale(int, int) const { return half(0); }
  __m256 minimum(int) const { return half(1); }
  // Nibbles of 16 bytes from word `first` on: low ones are columns 0..15, high ones 16..31.
  __m256i nibbles(int first, int i) const { return low_bits(word(first + i / 2 % 4), 8 * (i % 2) + i / 8 * 4, 4); }
};

template <class W>
struct levels16;  // a reader16 with what differs between the formats

template <>
struct levels16<q4_0> : reader16<q4_0> {
  explicit levels16(const std::byte* p) : reader16{p} {}
  __m256i pair(int, int i) const { return nibbles(0, i); }
};
template <>
struct levels16<q4_1> : reader16<q4_1> {
  explicit levels16(const std::byte* p) : reader16{p} {}
  __m256i pair(int, int i) const { return nibbles(0, i); }
};

// A word of 32 fifth bits, one for each column, then nibbles.
template <class W>
struct five_bits16 : reader16<W> {
  __m256i
      fifth[2];  // of columns 0..15 and of 16..31: bit k of the lower word is column k's, of the upper column k + 2's
  explicit five_bits16(const std::byte* p) : reader16<W>{p} {
    const __m256i bits = this->word(0), upper = _mm256_set1_epi32(i32(0xffff0000));
    fifth[0] = _mm256_blend_epi16(bits, _mm256_slli_epi32(bits, 14), 0xaa);
    fifth[1] = _mm256_or_si256(_mm256_srli_epi32(bits, 16), _mm256_and_si256(_mm256_srli_epi32(bits, 2), upper));
  }
  __m256i pair(int, int i) const {
    return _mm256_or_si256(this->nibbles(1, i), moved_bit(fifth[i / 8], i / 2 % 4 * 4 + i % 2, 4));
  }
};
template <>
struct levels16<q5_0> : five_bits16<q5_0> {
  using five_bits16::five_bits16;
};
template <>
struct levels16<q5_1> : five_bits16<q5_1> {
  using five_bits16::five_bits16;
};

template <>
struct levels16<q8_0> : reader16<q8_0> {
  explicit levels16(const std::byte* p) : reader16{p} {}
  __m256i pair(int, int i) const {  // signed: no offset
    const __m256i bytes = word(i / 2);
    return _mm256_srai_epi16(i % 2 ? bytes : _mm256_slli_epi16(bytes, 8), 8);
  }
};

// Q4_K and Q5_K: eight groups, whose scales and minima are 6 bits of three words (detail::unpack_k_scales).
template <class W>
struct k_levels16 : reader16<W> {
  __m256i scales[2], minima[2];  // of groups 0..3 and 4..7, a byte each
  __m256 d, dmin;
  explicit k_levels16(const std::byte* p) : reader16<W>{p}, d(this->half(0)), dmin(this->half(1)) {
    const auto bits = [](__m256i v, int shift, i32 mask) {
      return _mm256_and_si256(_mm256_srli_epi32(v, shift), _mm256_set1_epi32(mask));
    };
    const __m256i a = this->word(0), m = this->word(1), c = this->word(2);
    scales[0] = bits(a, 0, 0x3f3f3f3f), minima[0] = bits(m, 0, 0x3f3f3f3f);
    scales[1] = _mm256_or_si256(bits(c, 0, 0x0f0f0f0f), bits(a, 2, 0x30303030));
    minima[1] = _mm256_or_si256(bits(c, 4, 0x0f0f0f0f), bits(m, 2, 0x30303030));
  }
  static __m256 byte_of(const __m256i (&v)[2], int c) {
    return _mm256_cvtepi32_ps(_mm256_and_si256(_mm256_srli_epi32(v[c / 4], c % 4 * 8), _mm256_set1_epi32(255)));
  }
  __m256 scale(int c, int) const { return _mm256_mul_ps(d, byte_of(scales, c)); }
  __m256 minimum(int c) const { return _mm256_sub_ps(_mm256_setzero_ps(), _mm256_mul_ps(dmin, byte_of(minima, c))); }
  // Nibbles from word `first` on: 32 bytes, whose low nibbles are one group and the high ones the next.
  __m256i nibble(int first, int c, int i) const {
    return low_bits(this->word(first + c / 2 * 8 + i / 2), 8 * (i % 2) + c % 2 * 4, 4);
  }
};
template <>
struct levels16<q4_k> : k_levels16<q4_k> {
  using k_levels16::k_levels16;
  __m256i pair(int c, int i) const { return nibble(3, c, i); }
};
template <>
struct levels16<q5_k> : k_levels16<q5_k> {
  using k_levels16::k_levels16;
  __m256i pair(int c, int i) const {  // bit c of a byte is the fifth of its column in group c
    return _mm256_or_si256(nibble(11, c, i), moved_bit(word(3 + i / 2), 8 * (i % 2) + c, 4));
  }
};

// Groups of 16 with signed scales; a level is a nibble and two bits above it.
template <>
struct levels16<q6_k> : reader16<q6_k> {
  __m256 d;
  explicit levels16(const std::byte* p) : reader16{p}, d(half(0)) {}
  __m256i pair(int c, int i) const {
    const int part = c / 4, quarter = c % 4, byte = 8 * (i % 2);
    const __m256i low = low_bits(word(16 * part + quarter % 2 * 8 + i / 2), byte + quarter / 2 * 4, 4);
    const __m256i high = low_bits(word(32 + 8 * part + i / 2), byte + 2 * quarter, 2);
    return _mm256_or_si256(low, _mm256_slli_epi16(high, 4));
  }
  __m256 scale(int c, int h) const {
    const int g = 2 * c + h;
    const __m256i byte = _mm256_srai_epi32(_mm256_slli_epi32(word(48 + g / 4), 24 - g % 4 * 8), 24);
    return _mm256_mul_ps(d, _mm256_cvtepi32_ps(byte));
  }
};

/// What the levels of a format still lack of their values, once they are in 16 bits.
template <class W>
struct group16 {
  static constexpr int groups = int(32 / block_format<W>::group);  // in 32 columns
  static constexpr bool has_min = block_format<W>::offset == 0;
  static constexpr int offset = std::is_same_v<W, q8_0> ? 0 : block_format<W>::offset;
};

/// Eight rows unpacked: for each 32 columns the 16 pairs, the scales, and the minima.
template <int Groups, bool HasMin>
struct panel16 {
  static constexpr isize bytes_per_chunk = 32 * (16 + Groups + HasMin);
  const std::byte* at;
  __m256i pair(int, int i) const { return load256(at + 32 * i); }
  __m256 scale(int, int h) const { return _mm256_castsi256_ps(load256(at + 32 * (16 + h))); }
  __m256 minimum(int) const { return _mm256_castsi256_ps(load256(at + 32 * (16 + Groups))); }
};

// Keeps a value in a register as it is. g++ else adds integers as a tree, all of whose leaves it computes first and
// spills, and loads what several products share for each of them.
[[gnu::always_inline]] inline void pin(__m256i& value) { asm("" : "+x"(value)); }

// Adds the products of 32 columns of Eights times eight rows with Tile tokens: sources w, the c-th 32 of their columns.
template <int Groups, bool HasMin, int Offset, int Eights, int Tile, class Source>
[[gnu::always_inline]] inline void add_chunk(__m256 (&sum)[Eights][Tile], const q16_group<Tile>& x,
                                             const Source (&w)[Eights], int c) {
  HFT_UNROLL for (int h = 0; h < Groups; ++h) {
    constexpr int pairs = 16 / Groups, chains = Tile == 1 ? 2 : 1;
    __m256i dot[Eights][Tile][chains];
    HFT_UNROLL for (int t = 0; t < Tile; ++t) {
      __m256i start = _mm256_setzero_si256();
      if constexpr (Offset != 0)
        start = _mm256_slli_epi32(_mm256_set1_epi32(Groups == 2 ? x.n16[h][t] : x.n32[t]),
                                  std::countr_zero(unsigned(Offset)));
      HFT_UNROLL for (int e = 0; e < Eights; ++e) {
        dot[e][t][0] = start;
        if constexpr (chains == 2) dot[e][t][1] = _mm256_setzero_si256();
      }
    }
    HFT_UNROLL for (int i = 0; i < pairs; ++i) {
      __m256i levels[Eights];
      HFT_UNROLL for (int e = 0; e < Eights; ++e) levels[e] = w[e].pair(c, h * pairs + i);
      if constexpr (Tile > 1) HFT_UNROLL for (int e = 0; e < Eights; ++e) pin(levels[e]);
      HFT_UNROLL for (int t = 0; t < Tile; ++t) {
        const __m256i two = _mm256_set1_epi32(x.pairs[h * pairs + i][t]);
        HFT_UNROLL for (int e = 0; e < Eights; ++e) {
          auto& d = dot[e][t][i % chains];
          d = _mm256_add_epi32(d, _mm256_madd_epi16(levels[e], two));
          pin(d);
        }
      }
    }
    HFT_UNROLL for (int e = 0; e < Eights; ++e) {
      const __m256 scale = w[e].scale(c, h);
      HFT_UNROLL for (int t = 0; t < Tile; ++t) {
        if constexpr (chains == 2) dot[e][t][0] = _mm256_add_epi32(dot[e][t][0], dot[e][t][1]);
        const __m256 both = _mm256_mul_ps(scale, _mm256_set1_ps(x.d[t]));
        sum[e][t] = _mm256_fmadd_ps(both, _mm256_cvtepi32_ps(dot[e][t][0]), sum[e][t]);
      }
    }
  }
  if constexpr (HasMin) HFT_UNROLL for (int e = 0; e < Eights; ++e) {
      const __m256 minimum = w[e].minimum(c);
      HFT_UNROLL for (int t = 0; t < Tile; ++t) sum[e][t] = _mm256_fmadd_ps(minimum, _mm256_set1_ps(x.s[t]), sum[e][t]);
    }
}

/// Where the eight outputs of a token go: those of rows [begin, end), counted from the first of the eight.
struct eight_outputs {
  isize begin, end;
  __m256i mask() const {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_andnot_si256(_mm256_cmpgt_epi32(_mm256_set1_epi32(int(begin)), lane),
                               _mm256_cmpgt_epi32(_mm256_set1_epi32(int(end)), lane));
  }
};

/// One token with eight interleaved rows.
template <class W>
void dot_interleaved(f32* y, eight_outputs kept, const q16_group<1>* x, const std::byte* w, isize cols,
                     const f32* bias) {
  using group = group16<W>;
  constexpr int chunks = int(dtype<W>::block / 32);
  constexpr isize ahead = 1280;  // bytes; they are read in order, so that the processor's own prefetcher helps
  const __m256i mask = kept.mask();
  __m256 sum[1][1] = {{bias ? _mm256_maskload_ps(bias, mask) : _mm256_setzero_ps()}};
  for (isize b = 0; b < cols / dtype<W>::block; ++b, w += interleaved_block<W>::bytes, x += chunks) {
    for (isize line = 0; line < interleaved_block<W>::bytes; line += 64)
      _mm_prefetch(reinterpret_cast<const char*>(reinterpret_cast<std::uintptr_t>(w) + std::uintptr_t(ahead + line)),
                   _MM_HINT_T0);
    const levels16<W> levels[1] = {levels16<W>(w)};
    HFT_UNROLL for (int c = 0; c < chunks; ++c)
        add_chunk<group::groups, group::has_min, group::offset>(sum, x[c], levels, c);
  }
  _mm256_maskstore_ps(y, mask, sum[0][0]);
}

/// Unpacks eight interleaved rows.
template <class W>
void unpack16(std::byte* to, const std::byte* w, isize cols) {
  using group = group16<W>;
  constexpr int chunks = int(dtype<W>::block / 32);
  const auto store = [&](__m256i v) { _mm256_store_si256(reinterpret_cast<__m256i*>(std::exchange(to, to + 32)), v); };
  for (isize b = 0; b < cols / dtype<W>::block; ++b, w += interleaved_block<W>::bytes) {
    const levels16<W> levels(w);
    HFT_UNROLL for (int c = 0; c < chunks; ++c) {
      HFT_UNROLL for (int i = 0; i < 16; ++i) {
        const __m256i offset = _mm256_set1_epi16(group::offset);
        store(_mm256_sub_epi16(levels.pair(c, i), offset));
      }
      HFT_UNROLL for (int h = 0; h < group::groups; ++h) store(_mm256_castps_si256(levels.scale(c, h)));
      if constexpr (group::has_min) store(_mm256_castps_si256(levels.minimum(c)));
    }
  }
}

/// A tile of tokens with two unpacked panels. Of the tile's tokens the first y.rows are stored.
template <int Groups, bool HasMin>
void gemm_panels16(matrix<f32> y, const eight_outputs (&kept)[2], const q16_group<q16_rows::tile>* x, isize groups,
                   const std::byte* panels, isize panel_bytes, const f32* bias) {
  using source = panel16<Groups, HasMin>;
  constexpr int tile = q16_rows::tile;
  const __m256i mask[2] = {kept[0].mask(), kept[1].mask()};
  __m256 sum[2][tile];
  HFT_UNROLL for (int e = 0; e < 2; ++e) {
    const __m256 start = bias ? _mm256_maskload_ps(bias + 8 * e, mask[e]) : _mm256_setzero_ps();
    HFT_UNROLL for (int t = 0; t < tile; ++t) sum[e][t] = start;
  }
  for (isize g = 0; g < groups; ++g, panels += source::bytes_per_chunk) {
    const source w[2] = {{panels}, {panels + panel_bytes}};
    add_chunk<Groups, HasMin, 0>(sum, x[g], w, 0);
  }
  HFT_UNROLL for (int t = 0; t < tile; ++t) if (t < y.rows) HFT_UNROLL for (int e = 0; e < 2; ++e)
      _mm256_maskstore_ps(y.row(t) + 8 * e, mask[e], sum[e][t]);
}

/// y (M, N) = x (M, K) w^T + bias (N) for rows begin .. begin + N - 1 of a weight of `cols` columns; at(n) gives its
/// interleaved rows n .. n + 7, for a multiple n of eight that is less than begin + N, until it is called again.
template <class W, class At>
void linear_interleaved(matrix<f32> y, const q16_rows& x, isize begin, isize cols, const f32* bias, At at) {
  using group = group16<W>;
  const isize end = begin + y.cols, first_eight = begin / 8 * 8;
  const auto outputs = [&](isize n) {
    return eight_outputs{std::max(begin - n, isize(0)), std::min(end - n, isize(8))};
  };
  const auto bias_at = [&](isize n) { return bias ? bias + (n - begin) : nullptr; };
  if (y.rows == 1) {
    for (isize n = first_eight; n < end; n += 8)
      dot_interleaved<W>(y.data + (n - begin), outputs(n), x.token(), at(n), cols, bias_at(n));
    return;
  }
  constexpr isize most = 4;  // panels unpacked at a time: they share a read of x, and fit into cache
  const isize panel_bytes = panel16<group::groups, group::has_min>::bytes_per_chunk * x.groups();
  const buffer memory = cpu::allocate(std::size_t(most * panel_bytes));
  auto* panels = static_cast<std::byte*>(memory.data());
  for (isize first = first_eight; first < end; first += 8 * most) {
    isize count = 0;
    for (; count < most && first + 8 * count < end; ++count)
      unpack16<W>(panels + count * panel_bytes, at(first + 8 * count), cols);
    for (isize t = 0; t < y.rows; t += q16_rows::tile)
      for (isize p = 0; p < count; p += 2) {  // of an odd number of panels, the one beside the last is not stored
        const isize n = first + 8 * p;
        const eight_outputs kept[2] = {outputs(n), outputs(n + 8)};
        gemm_panels16<group::groups, group::has_min>(matrix<f32>{y.row(t) + (n - begin), y.rows - t, 16, y.stride},
                                                     kept, x.tokens(t), x.groups(), panels + p * panel_bytes,
                                                     panel_bytes, bias_at(n));
      }
  }
}

}  // namespace hft::detail

HFT_INTRINSICS_END

#endif
