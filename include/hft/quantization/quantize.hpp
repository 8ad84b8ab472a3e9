// From f32 to the block formats.
//
// Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 give the bytes that ggml and gguf-py give for finite values. The K formats search scale and
// minimum by weighted least squares, as ggml's make_qkx2_quants and make_qx_quants do, without promising equal bytes.
// Values that are not finite give levels without meaning, but no undefined behaviour.
#pragma once
#include <algorithm>
#include <cmath>
#include <cstring>

#include <hft/quantization/block_formats.hpp>

namespace hft {

namespace detail {

// a * b + c in two roundings. Through f64, because a compiler may contract the plain expression into an fma, whose
// single rounding gives another level now and then; a sum of two f32 rounded to f64 and then to f32 is the f32 sum.
inline f32 multiply_then_add(f32 a, f32 b, f32 c) { return f32(f64(f32(a * b)) + f64(c)); }

// The integer part, held to [0, top]; NaN gives 0.
inline u8 to_level(f32 x, int top) { return x > 0.0f ? u8(std::min(x, f32(top))) : u8(0); }

// The nearest integer, held to [low, high]; NaN gives low.
inline int nearest(f32 x, int low, int high) {
  if (!(x > f32(low))) return low;
  return x < f32(high) ? int(std::nearbyint(x)) : high;
}

inline f32 inverse_or_zero(f32 d) { return d == 0.0f ? 0.0f : 1.0f / d; }

// The value of largest magnitude, the first of equals, with its sign.
inline f32 largest_magnitude(const f32* x, int n) {
  f32 best = x[0];
  for (int i = 1; i < n; ++i)
    if (std::fabs(x[i]) > std::fabs(best)) best = x[i];
  return best;
}

inline void pack_nibbles(const u8* q, u8* to) {
  for (int i = 0; i < 16; ++i) to[i] = u8((q[i] & 15) | (q[i + 16] << 4));
}

inline void pack_fifth_bits(const u8* q, u8* to) {
  std::uint32_t bits = 0;
  for (int i = 0; i < 32; ++i) bits |= std::uint32_t(q[i] >> 4) << i;
  std::memcpy(to, &bits, 4);
}

// Levels around zero: the value of largest magnitude gets level 0, so both signs of it are exact.
template <int Offset>
f16 quantize_signed(const f32* x, u8* q) {
  const f32 d = largest_magnitude(x, 32) / f32(-Offset), inverse = inverse_or_zero(d);
  for (int i = 0; i < 32; ++i) q[i] = to_level(multiply_then_add(x[i], inverse, f32(Offset) + 0.5f), 2 * Offset - 1);
  return f16(d);
}

// Levels from the smallest value to the largest.
template <int Top>
void quantize_ranged(const f32* x, u8* q, f16& scale, f16& minimum) {
  const auto [low, high] = std::minmax_element(x, x + 32);
  const f32 min = *low, d = (*high - min) / f32(Top), inverse = inverse_or_zero(d);
  for (int i = 0; i < 32; ++i) q[i] = to_level(multiply_then_add(x[i] - min, inverse, 0.5f), Top);
  scale = f16(d), minimum = f16(min);
}

struct scale_and_min {
  f32 scale, min;  // value = scale * q - min, min >= 0
};

// Scale and minimum of 32 values with levels 0..top: each step tries another first guess of the scale, rounds to
// levels, and solves the weighted least squares for scale and minimum given those levels.
inline scale_and_min search_scale_and_min(const f32* x, int top, f32 first, f32 step, int steps) {
  constexpr int n = 32;
  f32 weight[n], square_sum = 0;
  for (int i = 0; i < n; ++i) square_sum += x[i] * x[i];
  const f32 rms = std::sqrt(square_sum / n);
  for (int i = 0; i < n; ++i) weight[i] = rms + std::fabs(x[i]);

  const auto [low, high] = std::minmax_element(x, x + n);
  const f32 max = *high, lowest = std::min(*low, 0.0f);
  if (!(max > lowest)) return {0.0f, -lowest};

  f32 sum_w = 0, sum_x = 0;
  for (int i = 0; i < n; ++i) sum_w += weight[i], sum_x += weight[i] * x[i];
  u8 q[n];
  const auto levels = [&](f32 inverse) {
    for (int i = 0; i < n; ++i) q[i] = u8(nearest(inverse * (x[i] - lowest), 0, top));
  };
  const auto loss = [&](f32 scale, f32 min) {
    f32 sum = 0;
    for (int i = 0; i < n; ++i) {
      const f32 difference = scale * f32(q[i]) + min - x[i];
      sum += weight[i] * difference * difference;
    }
    return sum;
  };

  f32 scale = (max - lowest) / f32(top), min = lowest;
  levels(1.0f / scale);
  f32 best = loss(scale, min);
  for (int s = 0; s <= steps; ++s) {
    levels((first + step * f32(s) + f32(top)) / (max - lowest));
    f32 sum_q = 0, sum_qq = 0, sum_xq = 0;
    for (int i = 0; i < n; ++i) {
      const f32 wq = weight[i] * f32(q[i]);
      sum_q += wq, sum_qq += wq * f32(q[i]), sum_xq += wq * x[i];
    }
    const f32 determinant = sum_w * sum_qq - sum_q * sum_q;
    if (!(determinant > 0)) continue;
    f32 tried_scale = (sum_w * sum_xq - sum_x * sum_q) / determinant;
    f32 tried_min = (sum_qq * sum_x - sum_q * sum_xq) / determinant;
    if (tried_min > 0) tried_min = 0, tried_scale = sum_xq / sum_qq;
    if (const f32 tried = loss(tried_scale, tried_min); tried < best)
      best = tried, scale = tried_scale, min = tried_min;
  }
  return {scale, -min};
}

// The levels (256) of a Q4_K or Q5_K block, and its scales.
template <class Storage>
void quantize_k_with_min(const f32* x, Storage& b, u8* q, int top, f32 first, int steps) {
  scale_and_min group[8];
  f32 max_scale = 0, max_min = 0;
  for (int g = 0; g < 8; ++g) {
    group[g] = search_scale_and_min(x + 32 * g, top, first, 0.1f, steps);
    max_scale = std::max(max_scale, group[g].scale), max_min = std::max(max_min, group[g].min);
  }
  b.d = f16(max_scale / 63), b.dmin = f16(max_min / 63);
  const f32 inverse_scale = max_scale > 0 ? 63 / max_scale : 0, inverse_min = max_min > 0 ? 63 / max_min : 0;
  for (int g = 0; g < 4; ++g) {  // 6 bits each: see unpack_k_scales
    const int s0 = nearest(inverse_scale * group[g].scale, 0, 63), m0 = nearest(inverse_min * group[g].min, 0, 63);
    const int s1 = nearest(inverse_scale * group[g + 4].scale, 0, 63);
    const int m1 = nearest(inverse_min * group[g + 4].min, 0, 63);
    b.scales[g] = u8(s0 | (s1 >> 4) << 6);
    b.scales[g + 4] = u8(m0 | (m1 >> 4) << 6);
    b.scales[g + 8] = u8((s1 & 15) | (m1 & 15) << 4);
  }
  f32 d[8], m[8];
  unpack_k_groups(b, d, m);
  for (int e = 0; e < 256; ++e) q[e] = d[e / 32] != 0 ? u8(nearest((x[e] - m[e / 32]) / d[e / 32], 0, top)) : u8(0);
}

// The scale of n values with levels -half..half-1, by least squares over several first guesses.
inline f32 search_scale(const f32* x, int n, int half) {
  const f32 max = largest_magnitude(x, n);
  if (!(std::fabs(max) >= 1e-15f)) return 0.0f;
  f32 scale = 0, best = 0;
  for (int s = -9; s <= 9; ++s) {
    const f32 inverse = -(f32(half) + 0.1f * f32(s)) / max;
    f32 sum_xq = 0, sum_qq = 0;
    for (int i = 0; i < n; ++i) {
      const f32 q = f32(nearest(inverse * x[i], -half, half - 1)), weight = x[i] * x[i];
      sum_xq += weight * x[i] * q, sum_qq += weight * q * q;
    }
    if (sum_qq > 0 && sum_xq * sum_xq > best * sum_qq) scale = sum_xq / sum_qq, best = scale * sum_xq;
  }
  return scale;
}

inline void quantize_block(const f32* x, q4_0::storage& b) {
  u8 q[32];
  b.d = quantize_signed<8>(x, q);
  pack_nibbles(q, b.qs);
}

inline void quantize_block(const f32* x, q4_1::storage& b) {
  u8 q[32];
  quantize_ranged<15>(x, q, b.d, b.m);
  pack_nibbles(q, b.qs);
}

inline void quantize_block(const f32* x, q5_0::storage& b) {
  u8 q[32];
  b.d = quantize_signed<16>(x, q);
  pack_nibbles(q, b.qs);
  pack_fifth_bits(q, b.qh);
}

inline void quantize_block(const f32* x, q5_1::storage& b) {
  u8 q[32];
  quantize_ranged<31>(x, q, b.d, b.m);
  pack_nibbles(q, b.qs);
  pack_fifth_bits(q, b.qh);
}

inline void quantize_block(const f32* x, q8_0::storage& b) {
  const f32 d = std::fabs(largest_magnitude(x, 32)) / 127, inverse = inverse_or_zero(d);
  for (int i = 0; i < 32; ++i) {
    const f32 level = std::round(x[i] * inverse);  // halves away from zero
    b.qs[i] = i8(level > -127 ? std::min(level, 127.0f) : -127.0f);
  }
  b.d = f16(d);
}

inline void quantize_block(const f32* x, q4_k::storage& b) {
  u8 q[256];
  quantize_k_with_min(x, b, q, 15, -1.0f, 20);
  for (int part = 0; part < 4; ++part)
    for (int i = 0; i < 32; ++i) b.qs[part * 32 + i] = u8(q[part * 64 + i] | q[part * 64 + 32 + i] << 4);
}

inline void quantize_block(const f32* x, q5_k::storage& b) {
  u8 q[256];
  quantize_k_with_min(x, b, q, 31, -0.5f, 15);
  std::fill_n(b.qh, 32, u8(0));
  for (int part = 0; part < 4; ++part)
    for (int i = 0; i < 32; ++i) {
      const u8 low = q[part * 64 + i], high = q[part * 64 + 32 + i];
      b.qs[part * 32 + i] = u8((low & 15) | high << 4);
      b.qh[i] = u8(b.qh[i] | (low >> 4) << (2 * part) | (high >> 4) << (2 * part + 1));
    }
}

inline void quantize_block(const f32* x, q6_k::storage& b) {
  f32 scale[16];
  for (int g = 0; g < 16; ++g) scale[g] = search_scale(x + 16 * g, 16, 32);
  const f32 max = largest_magnitude(scale, 16);
  b.d = f16(max / -128);  // the largest scale becomes -128, so that all of the signed range serves
  const f32 inverse = max != 0 ? -128 / max : 0;
  u8 q[256];
  for (int g = 0; g < 16; ++g) {
    b.scales[g] = i8(nearest(inverse * scale[g], -128, 127));
    const f32 d = f32(b.d) * f32(b.scales[g]);
    for (int i = 16 * g; i < 16 * g + 16; ++i) q[i] = u8(d != 0 ? nearest(x[i] / d, -32, 31) + 32 : 32);
  }
  for (int half = 0; half < 2; ++half)
    for (int i = 0; i < 32; ++i) {
      const u8* part = q + 128 * half + i;
      b.ql[64 * half + i] = u8((part[0] & 15) | (part[64] & 15) << 4);
      b.ql[64 * half + 32 + i] = u8((part[32] & 15) | (part[96] & 15) << 4);
      b.qh[32 * half + i] = u8(part[0] >> 4 | (part[32] >> 4) << 2 | (part[64] >> 4) << 4 | (part[96] >> 4) << 6);
    }
}

}  // namespace detail

/// Quantises n values, a multiple of the block.
template <BlockFormat W>
void quantize(const f32* in, typename dtype<W>::storage* out, isize n) {
  for (isize i = 0; i < n; i += dtype<W>::block) detail::quantize_block(in + i, *out++);
}

}  // namespace hft
