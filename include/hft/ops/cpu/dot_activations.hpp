// Rows of activations in 8 bits, the other side of integer dot products with block formats.
//
// 32 values share a scale: x = d * q with q in -127..127, to nearest even, d = max |x| / 127. Beside them lie the sums
// that the offset or the minimum of a weight format is multiplied by: sum((q_w - offset) * q) is
// sum(q_w * q) - offset * sum(q), and sum((d_w * q_w + m_w) * d * q) is d_w * d * sum(q_w * q) + m_w * s.
#pragma once
#include <algorithm>
#include <cmath>
#include <utility>

#include <hft/device.hpp>
#include <hft/ops/cpu/isa.hpp>
#include <hft/tensor.hpp>

HFT_INTRINSICS_BEGIN

namespace hft::detail {

/// One quantised row; groups counts 32 values each. Padded with zeros to an even number of groups.
struct q8_row {
  i8* q;     // (groups, 32)
  f32* ds;   // (groups, 2) the scale d, and d * sum(q)
  i32* n4;   // (groups, 8) minus the sums of four neighbours
  i32* n16;  // (groups, 2) minus the sums of sixteen
  i32* n32;  // (groups) minus the sums of all
};

/// Memory for quantised rows of an (M, K) matrix, K a multiple of 32.
class q8_rows {
 public:
  q8_rows(isize rows, isize cols)
      : groups_((cols / 32 + 1) / 2 * 2), memory_(cpu::allocate(std::size_t(rows * groups_ * bytes_per_group))) {
    base_ = static_cast<std::byte*>(memory_.data());
  }
  isize groups() const { return groups_; }
  q8_row row(isize i) const {
    std::byte* p = base_ + i * groups_ * bytes_per_group;
    const auto take = [&](isize bytes) { return std::exchange(p, p + groups_ * bytes); };
    return {reinterpret_cast<i8*>(take(32)), reinterpret_cast<f32*>(take(8)), reinterpret_cast<i32*>(take(32)),
            reinterpret_cast<i32*>(take(8)), reinterpret_cast<i32*>(take(4))};
  }

 private:
  static constexpr isize bytes_per_group = 32 + 8 + 32 + 8 + 4;
  isize groups_;
  buffer memory_;
  std::byte* base_;
};

// The sums of a group from those of its fours.
inline void finish_q8_group(const q8_row& to, isize g) {
  const i32* n4 = to.n4 + 8 * g;
  to.n16[2 * g] = n4[0] + n4[1] + n4[2] + n4[3];
  to.n16[2 * g + 1] = n4[4] + n4[5] + n4[6] + n4[7];
  to.n32[g] = to.n16[2 * g] + to.n16[2 * g + 1];
  to.ds[2 * g + 1] = to.ds[2 * g] * f32(-to.n32[g]);
}

inline void quantize_q8_group(isa::generic, const f32* x, const q8_row& to, isize g) {
  f32 max = 0;
  for (int i = 0; i < 32; ++i) max = std::max(max, std::fabs(x[i]));
  const f32 inverse = max > 0 ? 127.0f / max : 0.0f;
  to.ds[2 * g] = max / 127.0f;
  for (int i = 0; i < 8; ++i) {
    i32 sum = 0;
    for (int j = 4 * i; j < 4 * i + 4; ++j) {
      const f32 level = std::nearbyint(x[j] * inverse);
      sum += to.q[32 * g + j] = i8(level > -127.0f ? std::min(level, 127.0f) : -127.0f);  // NaN gives -127
    }
    to.n4[8 * g + i] = -sum;
  }
  finish_q8_group(to, g);
}

#if defined(HFT_ISA_AVX2)
inline void quantize_q8_group(isa::avx2, const f32* x, const q8_row& to, isize g) {
  using V = isa::f32x8;
  const V v[4] = {V::load(x), V::load(x + 8), V::load(x + 16), V::load(x + 24)};
  const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
  V a[4];
  HFT_UNROLL for (int i = 0; i < 4; ++i) a[i].v = _mm256_and_ps(v[i].v, magnitude);
  const f32 largest = max(max(max(a[0], a[1]), max(a[2], a[3])));
  const V inverse = V::set(largest > 0 ? 127.0f / largest : 0.0f);
  to.ds[2 * g] = largest / 127.0f;
  __m256i q[4];
  HFT_UNROLL for (int i = 0; i < 4; ++i) q[i] = _mm256_cvtps_epi32((v[i] * inverse).v);
  // Packing interleaves the halves of its operands; the permutation puts the fours in order again.
  const __m256i words = _mm256_packs_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3]));
  const __m256i bytes = _mm256_max_epi8(_mm256_permutevar8x32_epi32(words, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)),
                                        _mm256_set1_epi8(-127));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to.q + 32 * g), bytes);
  const __m256i fours = _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes), _mm256_set1_epi16(-1));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to.n4 + 8 * g), fours);
  finish_q8_group(to, g);
}
#endif

/// Quantises a row of k values, a multiple of 32.
template <class Isa>
void quantize_q8_row(Isa isa, const f32* x, isize k, const q8_rows& rows, isize row) {
  const q8_row to = rows.row(row);
  for (isize g = 0; g < k / 32; ++g) quantize_q8_group(isa, x + 32 * g, to, g);
  for (isize g = k / 32; g < rows.groups(); ++g) {
    std::fill_n(to.q + 32 * g, 32, i8(0));
    std::fill_n(to.n4 + 8 * g, 8, 0);
    to.ds[2 * g] = 0;
    finish_q8_group(to, g);
  }
}

/// Quantises a row and then what that left over, into rows `row` and `row` + 1, whose sum is x to some 15 bits of the
/// largest value of each group. `scratch` holds k values.
template <class Isa>
void quantize_q8_pair(Isa isa, const f32* x, isize k, const q8_rows& rows, isize row, f32* scratch) {
  quantize_q8_row(isa, x, k, rows, row);
  const q8_row first = rows.row(row);
  for (isize g = 0; g < k / 32; ++g) {
    const f32 d = first.ds[2 * g];
    const i8* q = first.q + 32 * g;
    for (isize i = 0; i < 32; ++i) scratch[32 * g + i] = x[32 * g + i] - d * f32(q[i]);
  }
  quantize_q8_row(isa, scratch, k, rows, row + 1);
}

}  // namespace hft::detail

HFT_INTRINSICS_END
