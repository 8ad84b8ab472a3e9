// Rows of activations in 16 bits, the other side of integer products with interleaved block formats.
//
// 32 values share a scale: x = d * q with q in -32767..32767, to nearest even, d = max |x| / 32767: some 15 bits of a
// group's largest value. Beside them lie the sums by which a format's offset or minimum is multiplied:
// sum((q_w - offset) * q) is sum(q_w * q) - offset * sum(q), and sum((d_w * q_w + m_w) * d * q) is
// d_w * d * sum(q_w * q) + m_w * s.
//
// One instruction multiplies pairs of neighbouring 16-bit numbers and adds them. The levels of a word of four bytes
// come out of it in the pairs (0, 2) and (1, 3), and so are the activations paired. Tokens stand side by side in tiles,
// so that a kernel finds what it needs of all of them behind one pointer.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>

#include <hft/device.hpp>
#include <hft/ops/cpu/isa.hpp>
#include <hft/tensor.hpp>

HFT_INTRINSICS_BEGIN

namespace hft::detail {

/// 32 columns of Tile tokens.
template <int Tile>
struct q16_group {
  i32 pairs[16][Tile];          // two q of 16 bits each: columns (4j, 4j + 2), then (4j + 1, 4j + 3)
  f32 d[Tile], s[Tile];         // the scale, and d * sum(q)
  i32 n16[2][Tile], n32[Tile];  // minus the sums of sixteen q, and of all
};

/// Memory for the quantised rows of an (M, K) matrix, K a multiple of 32: one token alone, or tiles of four, of which
/// the last is filled up with zeros.
class q16_rows {
 public:
  static constexpr int tile = 4;

  q16_rows(isize rows, isize cols)
      : rows_(rows),
        groups_(cols / 32),
        memory_(cpu::allocate(std::size_t((rows == 1 ? 1 : (rows + tile - 1) / tile * tile) * groups_) *
                              sizeof(q16_group<1>))) {
    if (rows % tile && rows != 1) std::fill_n(tokens(rows / tile * tile), groups_, q16_group<tile>{});
  }
  isize groups() const { return groups_; }

  /// The groups of the only token.
  q16_group<1>* token() const { return static_cast<q16_group<1>*>(memory_.data()); }
  /// Those of the tile that begins with token t.
  q16_group<tile>* tokens(isize t) const { return static_cast<q16_group<tile>*>(memory_.data()) + t / tile * groups_; }

  void put(isize t, isize g, const q16_group<1>& from) const {
    if (rows_ == 1) {
      token()[g] = from;
      return;
    }
    q16_group<tile>& to = tokens(t)[g];
    const isize i = t % tile;
    for (int p = 0; p < 16; ++p) to.pairs[p][i] = from.pairs[p][0];
    to.d[i] = from.d[0], to.s[i] = from.s[0];
    to.n16[0][i] = from.n16[0][0], to.n16[1][i] = from.n16[1][0], to.n32[i] = from.n32[0];
  }

 private:
  isize rows_, groups_;
  buffer memory_;
};
static_assert(sizeof(q16_group<q16_rows::tile>) == q16_rows::tile * sizeof(q16_group<1>));

inline void finish_q16_group(q16_group<1>& to, i32 first_sum, i32 second_sum) {
  to.n16[0][0] = -first_sum;
  to.n16[1][0] = -second_sum;
  to.n32[0] = -first_sum - second_sum;
  to.s[0] = to.d[0] * f32(first_sum + second_sum);
}

inline q16_group<1> quantize_q16_group(isa::generic, const f32* x) {
  q16_group<1> to;
  f32 max = 0;
  for (int i = 0; i < 32; ++i) max = std::max(max, std::fabs(x[i]));
  const f32 inverse = max > 0 ? 32767.0f / max : 0.0f;
  to.d[0] = max / 32767.0f;
  i32 sum[2] = {};
  i16 q[32];
  constexpr int place[4] = {0, 2, 1, 3};
  for (int i = 0; i < 32; ++i) {
    const f32 level = std::nearbyint(x[i] * inverse);
    sum[i / 16] += q[i / 4 * 4 + place[i % 4]] =
        i16(level > -32767.0f ? std::min(level, 32767.0f) : -32767.0f);  // NaN gives -32767
  }
  std::memcpy(to.pairs, q, sizeof q);
  finish_q16_group(to, sum[0], sum[1]);
  return to;
}

#if defined(HFT_ISA_AVX2)
inline i32 sum_of_lanes(__m256i v) {
  __m128i x = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  x = _mm_add_epi32(x, _mm_unpackhi_epi64(x, x));
  return _mm_cvtsi128_si32(_mm_add_epi32(x, _mm_shuffle_epi32(x, 1)));
}

inline q16_group<1> quantize_q16_group(isa::avx2, const f32* x) {
  using V = isa::f32x8;
  q16_group<1> to;
  const V v[4] = {V::load(x), V::load(x + 8), V::load(x + 16), V::load(x + 24)};
  const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
  V a[4];
  HFT_UNROLL for (int i = 0; i < 4; ++i) a[i].v = _mm256_and_ps(v[i].v, magnitude);
  const f32 largest = max(max(max(a[0], a[1]), max(a[2], a[3])));
  const V inverse = V::set(largest > 0 ? 32767.0f / largest : 0.0f);
  to.d[0] = largest / 32767.0f;
  __m256i half[2];
  HFT_UNROLL for (int h = 0; h < 2; ++h) {
    const __m256i low = _mm256_cvtps_epi32((v[2 * h] * inverse).v),
                  high = _mm256_cvtps_epi32((v[2 * h + 1] * inverse).v);
    // Packing interleaves the halves of its operands; the permutation puts the fours in order again, the shuffle pairs.
    const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(low, high), 0xd8);
    half[h] =
        _mm256_max_epi16(_mm256_shufflehi_epi16(_mm256_shufflelo_epi16(words, 0xd8), 0xd8), _mm256_set1_epi16(-32767));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to.pairs + 8 * h), half[h]);
  }
  const __m256i ones = _mm256_set1_epi16(1);
  finish_q16_group(to, sum_of_lanes(_mm256_madd_epi16(half[0], ones)), sum_of_lanes(_mm256_madd_epi16(half[1], ones)));
  return to;
}
#endif

/// Quantises token t: k values, a multiple of 32.
template <class Isa>
void quantize_q16_row(Isa isa, const f32* x, isize k, const q16_rows& rows, isize t) {
  for (isize g = 0; g < k / 32; ++g) rows.put(t, g, quantize_q16_group(isa, x + 32 * g));
}

}  // namespace hft::detail

HFT_INTRINSICS_END
