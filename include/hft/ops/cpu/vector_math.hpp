// Functions of vectors of f32 (exp, tanh, erf), and the loops that walk rows by whole vectors and a tail.
//
// Accuracy over all f32, against f64: exp 1.2e-7 relative (results below 2^-126 rounded as subnormals, 0 from -104 on),
// tanh and erf 1.5e-7 relative. A NaN stays a NaN; no finite or infinite argument makes one.
#pragma once
#include <algorithm>
#include <cmath>
#include <utility>

#include <hft/ops/cpu/isa.hpp>
#include <hft/parallel.hpp>
#include <hft/tensor.hpp>

HFT_INTRINSICS_BEGIN

namespace hft::isa {

/// A tag that has vectors.
template <class Isa>
concept vectorised = requires {
  typename floats<Isa>;
};

  // ---- what differs between widths. less() gives the mask that select() takes; min and max return their second
  // argument where one is NaN.

#if defined(HFT_ISA_AVX2)
struct mask8 {
  __m256 m;
};
inline mask8 less(f32x8 a, f32x8 b) { return {_mm256_cmp_ps(a.v, b.v, _CMP_LT_OQ)}; }
inline mask8 operator&(mask8 a, mask8 b) { return {_mm256_and_ps(a.m, b.m)}; }
inline f32x8 select(mask8 m, f32x8 a, f32x8 b) { return {_mm256_blendv_ps(b.v, a.v, m.m)}; }  // m ? a : b
inline f32x8 round(f32x8 a) { return {_mm256_round_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
inline f32x8 sqrt(f32x8 a) { return {_mm256_sqrt_ps(a.v)}; }
inline f32x8 abs(f32x8 a) { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.v)}; }
inline f32x8 copysign(f32x8 a, f32x8 sign) {
  const __m256 bit = _mm256_set1_ps(-0.0f);
  return {_mm256_or_ps(_mm256_andnot_ps(bit, a.v), _mm256_and_ps(bit, sign.v))};
}
/// a * 2^n for whole n in [-160, 160].
inline f32x8 ldexp(f32x8 a, f32x8 n) {
  const __m256i i = _mm256_cvtps_epi32(n.v), half = _mm256_srai_epi32(i, 1), bias = _mm256_set1_epi32(127);
  const auto power = [&](__m256i e) { return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(e, bias), 23)); };
  return {_mm256_mul_ps(_mm256_mul_ps(a.v, power(half)), power(_mm256_sub_epi32(i, half)))};
}
/// 0, 1, ..., 7
inline f32x8 iota(f32x8) { return {_mm256_setr_ps(0, 1, 2, 3, 4, 5, 6, 7)}; }
/// Stores the sums of four vectors at y[0..3].
inline void store_sums(f32* y, f32x8 a, f32x8 b, f32x8 c, f32x8 d) {
  const __m256 ab = _mm256_add_ps(_mm256_unpacklo_ps(a.v, b.v), _mm256_unpackhi_ps(a.v, b.v));
  const __m256 cd = _mm256_add_ps(_mm256_unpacklo_ps(c.v, d.v), _mm256_unpackhi_ps(c.v, d.v));
  const __m256 x = _mm256_add_ps(_mm256_shuffle_ps(ab, cd, 0x44), _mm256_shuffle_ps(ab, cd, 0xee));
  _mm_storeu_ps(y, _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1)));
}
/// to[c * to_stride + r] = from[r * from_stride + c] for r, c < 8; the vector only says which body.
inline void transpose_8x8(f32x8, f32* to, isize to_stride, const f32* from, isize from_stride) {
  for (isize half = 0; half < 8; half += 4) {
    const auto rows = [&](isize r) {  // columns half .. half + 3 of rows r and r + 4
      const f32* p = from + r * from_stride + half;
      return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), _mm_loadu_ps(p + 4 * from_stride), 1);
    };
    const __m256 r0 = rows(0), r1 = rows(1), r2 = rows(2), r3 = rows(3);
    const __m256 a = _mm256_unpacklo_ps(r0, r1), b = _mm256_unpackhi_ps(r0, r1);
    const __m256 c = _mm256_unpacklo_ps(r2, r3), d = _mm256_unpackhi_ps(r2, r3);
    _mm256_storeu_ps(to + (half + 0) * to_stride, _mm256_shuffle_ps(a, c, 0x44));
    _mm256_storeu_ps(to + (half + 1) * to_stride, _mm256_shuffle_ps(a, c, 0xee));
    _mm256_storeu_ps(to + (half + 2) * to_stride, _mm256_shuffle_ps(b, d, 0x44));
    _mm256_storeu_ps(to + (half + 3) * to_stride, _mm256_shuffle_ps(b, d, 0xee));
  }
}
#endif

#if defined(HFT_ISA_AVX512)
struct mask16 {
  __mmask16 m;
};
inline mask16 less(f32x16 a, f32x16 b) { return {_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ)}; }
inline mask16 operator&(mask16 a, mask16 b) { return {__mmask16(a.m & b.m)}; }
inline f32x16 select(mask16 m, f32x16 a, f32x16 b) { return {_mm512_mask_blend_ps(m.m, b.v, a.v)}; }
inline f32x16 round(f32x16 a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
inline f32x16 sqrt(f32x16 a) { return {_mm512_sqrt_ps(a.v)}; }
inline f32x16 abs(f32x16 a) { return {_mm512_andnot_ps(_mm512_set1_ps(-0.0f), a.v)}; }
inline f32x16 copysign(f32x16 a, f32x16 sign) {
  const __m512 bit = _mm512_set1_ps(-0.0f);
  return {_mm512_or_ps(_mm512_andnot_ps(bit, a.v), _mm512_and_ps(bit, sign.v))};
}
inline f32x16 ldexp(f32x16 a, f32x16 n) { return {_mm512_scalef_ps(a.v, n.v)}; }
inline f32x16 iota(f32x16) { return {_mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)}; }
inline void store_sums(f32* y, f32x16 a, f32x16 b, f32x16 c, f32x16 d) {
  const auto halves = [](f32x16 x) {
    return f32x8{_mm256_add_ps(_mm512_castps512_ps256(x.v), _mm512_extractf32x8_ps(x.v, 1))};
  };
  store_sums(y, halves(a), halves(b), halves(c), halves(d));
}
inline void transpose_8x8(f32x16, f32* to, isize to_stride, const f32* from, isize from_stride) {
  transpose_8x8(f32x8{}, to, to_stride, from, from_stride);
}
#endif

// ---- functions of any width. The polynomials are minimax fits on the ranges given.

template <class V>
concept vector = requires(V v) {
  V::width;
  iota(v);
};

/// a if it is among the first n lanes, else b.
template <vector V>
V first_lanes_or(V a, isize n, V b) {
  return select(less(iota(a), V::set(f32(n))), a, b);
}

/// The polynomial of those coefficients, highest power first.
template <vector V, class... Rest>
V polynomial(V x, f32 first, Rest... rest) {
  V p = V::set(first);
  ((p = fma(p, x, V::set(rest))), ...);
  return p;
}

/// e^x = 2^n e^r with n whole and |r| <= ln(2) / 2.
template <vector V>
V exp(V x) {
  x = min(V::set(89.0f), max(V::set(-104.0f), x));  // beyond both the result is infinity or 0 anyway
  const V n = round(x * V::set(1.44269504f));
  V r = fma(n, V::set(-0.693145752f), x);  // ln(2) in two parts, so that n times the first is exact
  r = fma(n, V::set(-1.42860677e-6f), r);
  const V p = polynomial(r, 0.001381446706f, 0.008368780411f, 0.04166839421f, 0.1666652011f, 0.4999999341f);
  return ldexp(fma(p, r * r, r) + V::set(1.0f), n);
}

template <vector V>
V sigmoid(V x) {
  return V::set(1.0f) / (V::set(1.0f) + exp(V::zero() - x));
}

template <vector V>
V tanh(V x) {
  const V size = abs(x), z = x * x;
  const V p = polynomial(z, -0.005704986993f, 0.02063908724f, -0.05373971509f, 0.133314422f, -0.3333328194f);
  const V near = fma(x * z, p, x);  // |x| < 0.625
  const V far = V::set(1.0f) - V::set(2.0f) / (exp(size + size) + V::set(1.0f));
  return select(less(size, V::set(0.625f)), near, copysign(far, x));
}

/// erf(x) = x + x P(x^2) near 0, else 1 - erfc(|x|) with log(erfc(t)) = t Q(t).
template <vector V>
V erf(V x) {
  const V t = min(V::set(4.0f), abs(x));  // 1 - erf(4) is less than half a unit in the last place
  const V p = polynomial(x * x, 8.316774294e-5f, -0.0008130012435f, 0.005199906647f, -0.0268589415f, 0.1128368719f,
                         -0.3761263319f, 0.1283791666f);
  const V q = polynomial(t, -1.123134618e-5f, 0.0003228042663f, -0.003642460722f, 0.02376206655f, -0.1062368819f,
                         -0.6351513138f, -1.128648491f);
  const V far = V::set(1.0f) - exp(t * q);
  return select(less(t, V::set(0.925f)), fma(x, p, x), copysign(far, x));
}

// ---- rows

/// y[i] = f(x[i]...) for n elements, by vectors V; the x are f32, f16 or bf16, and y may be one of them.
template <vector V, class F, class... X>
void map_row(f32* y, isize n, F f, const X*... x) {
  isize i = 0;
  for (; i + V::width <= n; i += V::width) f(V::load(x + i)...).store(y + i);
  if (i < n) f(V::load_n(x + i, n - i)...).store_n(y + i, n - i);
}

/// The sum of f(x[i]) over n elements. The order of addition depends on n alone.
template <vector V, class F>
f32 sum_row(const f32* x, isize n, F f) {
  V total[4] = {V::zero(), V::zero(), V::zero(), V::zero()};
  isize i = 0;
  for (; i + 4 * V::width <= n; i += 4 * V::width)
    for (isize u = 0; u < 4; ++u) total[u] = total[u] + f(V::load(x + i + u * V::width));
  for (; i + V::width <= n; i += V::width) total[0] = total[0] + f(V::load(x + i));
  if (i < n) total[1] = total[1] + first_lanes_or(f(V::load_n(x + i, n - i)), n - i, V::zero());
  return sum((total[0] + total[1]) + (total[2] + total[3]));
}

/// The largest of n elements; -inf for none.
template <vector V>
f32 max_row(const f32* x, isize n) {
  const V least = V::set(-INFINITY);
  V top[2] = {least, least};
  isize i = 0;
  for (; i + 2 * V::width <= n; i += 2 * V::width)
    for (isize u = 0; u < 2; ++u) top[u] = max(top[u], V::load(x + i + u * V::width));
  if (i + V::width <= n) top[0] = max(top[0], V::load(x + i)), i += V::width;
  if (i < n) top[1] = max(top[1], first_lanes_or(V::load_n(x + i, n - i), n - i, least));
  return max(max(top[0], top[1]));
}

}  // namespace hft::isa

namespace hft::detail {

template <class T>
matrix<T> rows_between(matrix<T> x, isize begin, isize end) {
  return {x.row(begin), end - begin, x.cols, x.stride};
}

/// Calls f(begin, end) with ranges of rows, one per thread; `elements` is how many elements a thread must have for the
/// work (some 10 us) to be worth its start.
template <class F>
void parallel_rows(isize rows, isize cols, isize elements, F&& f) {
  parallel_for(rows, std::max<isize>(1, elements / std::max<isize>(1, cols)), std::forward<F>(f));
}

}  // namespace hft::detail

HFT_INTRINSICS_END
