// Instruction sets of x86 processors as tags, and a vector of f32 for each that has one.
//
// A kernel body is a template or an overload on a tag. isa::generic is plain C++, runs anywhere and is the oracle of
// the others; a tag derives from the one below it, so a body that a set lacks is found in the set below. The choice is
// made by the compiler's target alone (-march): isa::native is the best that it allows.
#pragma once
#if defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#include <immintrin.h>
#define HFT_ISA_AVX2 1
#endif
#if defined(HFT_ISA_AVX2) && defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512DQ__) && \
    defined(__AVX512VL__)
#define HFT_ISA_AVX512 1
#endif
#if defined(HFT_ISA_AVX512) && defined(__AVX512VNNI__)
#define HFT_ISA_AVX512VNNI 1
#endif
#if defined(HFT_ISA_AVX512) && defined(__AVX512BF16__)
#define HFT_ISA_AVX512BF16 1  // dot products of bf16 pairs: Cooper Lake, Zen 4; beside the tags, which are a chain
#endif

#include <hft/dtype.hpp>

// g++ 12 takes the undefined vectors inside its own intrinsics for uninitialised ones; code that uses intrinsics stands
// between these two.
#if defined(__GNUC__) && !defined(__clang__)
#define HFT_INTRINSICS_BEGIN                                                           \
  _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wuninitialized\"") \
      _Pragma("GCC diagnostic ignored \"-Wmaybe-uninitialized\"")
#define HFT_INTRINSICS_END _Pragma("GCC diagnostic pop")
#else
#define HFT_INTRINSICS_BEGIN
#define HFT_INTRINSICS_END
#endif

// Before a loop of few, constant turns: unrolled, its arrays of vectors become registers.
#if defined(__clang__)
#define HFT_UNROLL _Pragma("unroll")
#elif defined(__GNUC__)
#define HFT_UNROLL _Pragma("GCC unroll 16")
#else
#define HFT_UNROLL
#endif

HFT_INTRINSICS_BEGIN

namespace hft::isa {

struct generic {};
struct avx2 : generic {};       // AVX2, FMA, F16C: Haswell, Zen
struct avx512 : avx2 {};        // AVX-512 F, BW, DQ, VL: Skylake-X
struct avx512vnni : avx512 {};  // and VNNI (8-bit dot products): Cascade Lake, Zen 4

#if defined(HFT_ISA_AVX512VNNI)
using native = avx512vnni;
#elif defined(HFT_ISA_AVX512)
using native = avx512;
#elif defined(HFT_ISA_AVX2)
using native = avx2;
#else
using native = generic;
#endif

// Vectors of f32. load_n and store_n touch the first n < width elements alone; the other lanes read as zero. f16 and
// bf16 widen as they load.

#if defined(HFT_ISA_AVX2)
namespace detail {
inline __m256i first_lanes(isize n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(int(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
}  // namespace detail

struct f32x8 {
  static constexpr isize width = 8;
  __m256 v;

  static f32x8 zero() { return {_mm256_setzero_ps()}; }
  static f32x8 set(f32 x) { return {_mm256_set1_ps(x)}; }
  static f32x8 load(const f32* p) { return {_mm256_loadu_ps(p)}; }
  static f32x8 load_n(const f32* p, isize n) { return {_mm256_maskload_ps(p, detail::first_lanes(n))}; }
  static f32x8 load(const f16* p) { return {_mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)))}; }
  static f32x8 load(const bf16* p) {
    const __m256i x = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
    return {_mm256_castsi256_ps(_mm256_slli_epi32(x, 16))};
  }
  template <class Half>
  static f32x8 load_n(const Half* p, isize n) {
    Half part[width] = {};
    for (isize i = 0; i < n; ++i) part[i] = p[i];
    return load(part);
  }
  void store(f32* p) const { _mm256_storeu_ps(p, v); }
  void store_n(f32* p, isize n) const { _mm256_maskstore_ps(p, detail::first_lanes(n), v); }

  friend f32x8 operator+(f32x8 a, f32x8 b) { return {_mm256_add_ps(a.v, b.v)}; }
  friend f32x8 operator-(f32x8 a, f32x8 b) { return {_mm256_sub_ps(a.v, b.v)}; }
  friend f32x8 operator*(f32x8 a, f32x8 b) { return {_mm256_mul_ps(a.v, b.v)}; }
  friend f32x8 operator/(f32x8 a, f32x8 b) { return {_mm256_div_ps(a.v, b.v)}; }
  friend f32x8 max(f32x8 a, f32x8 b) { return {_mm256_max_ps(a.v, b.v)}; }
  friend f32x8 min(f32x8 a, f32x8 b) { return {_mm256_min_ps(a.v, b.v)}; }
  friend f32x8 fma(f32x8 a, f32x8 b, f32x8 c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }  // a * b + c
  friend f32 sum(f32x8 a) {
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
  }
  friend f32 max(f32x8 a) {
    __m128 x = _mm_max_ps(_mm256_castps256_ps128(a.v), _mm256_extractf128_ps(a.v, 1));
    x = _mm_max_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)));
  }
};
#endif

#if defined(HFT_ISA_AVX512)
struct f32x16 {
  static constexpr isize width = 16;
  __m512 v;

  static __mmask16 first_lanes(isize n) { return __mmask16((1u << n) - 1); }

  static f32x16 zero() { return {_mm512_setzero_ps()}; }
  static f32x16 set(f32 x) { return {_mm512_set1_ps(x)}; }
  static f32x16 load(const f32* p) { return {_mm512_loadu_ps(p)}; }
  static f32x16 load_n(const f32* p, isize n) { return {_mm512_maskz_loadu_ps(first_lanes(n), p)}; }
  static f32x16 load(const f16* p) {
    return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
  }
  static f32x16 load_n(const f16* p, isize n) { return {_mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first_lanes(n), p))}; }
  static f32x16 load(const bf16* p) { return widen(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
  static f32x16 load_n(const bf16* p, isize n) { return widen(_mm256_maskz_loadu_epi16(first_lanes(n), p)); }
  void store(f32* p) const { _mm512_storeu_ps(p, v); }
  void store_n(f32* p, isize n) const { _mm512_mask_storeu_ps(p, first_lanes(n), v); }

  friend f32x16 operator+(f32x16 a, f32x16 b) { return {_mm512_add_ps(a.v, b.v)}; }
  friend f32x16 operator-(f32x16 a, f32x16 b) { return {_mm512_sub_ps(a.v, b.v)}; }
  friend f32x16 operator*(f32x16 a, f32x16 b) { return {_mm512_mul_ps(a.v, b.v)}; }
  friend f32x16 operator/(f32x16 a, f32x16 b) { return {_mm512_div_ps(a.v, b.v)}; }
  friend f32x16 max(f32x16 a, f32x16 b) { return {_mm512_max_ps(a.v, b.v)}; }
  friend f32x16 min(f32x16 a, f32x16 b) { return {_mm512_min_ps(a.v, b.v)}; }
  friend f32x16 fma(f32x16 a, f32x16 b, f32x16 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }  // a * b + c
  friend f32 sum(f32x16 a) { return _mm512_reduce_add_ps(a.v); }
  friend f32 max(f32x16 a) { return _mm512_reduce_max_ps(a.v); }

 private:
  static f32x16 widen(__m256i x) { return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16))}; }
};
#endif

namespace detail {
template <class Isa>
struct floats_of {};
#if defined(HFT_ISA_AVX2)
template <>
struct floats_of<avx2> {
  using type = f32x8;
};
#endif
#if defined(HFT_ISA_AVX512)
template <>
struct floats_of<avx512> {
  using type = f32x16;
};
template <>
struct floats_of<avx512vnni> : floats_of<avx512> {};
#endif
}  // namespace detail

/// The f32 vector of a tag; generic has none.
template <class Isa>
using floats = typename detail::floats_of<Isa>::type;

}  // namespace hft::isa

HFT_INTRINSICS_END
