// Elements of any dtype that a weight may be stored in as f32, and back: what convert and the kernels share.
#pragma once
#include <type_traits>

#include <hft/ops/cpu/isa.hpp>
#include <hft/quantization/quantize.hpp>

HFT_INTRINSICS_BEGIN

namespace hft {

namespace detail {

// The whole vectors of a run of 16-bit floats; each returns how many elements it did, and the caller does the rest.
#if defined(HFT_ISA_AVX2)
template <class Half>
isize widen_vectors(const Half* in, f32* out, isize n) {
  using vector = isa::floats<isa::native>;
  isize i = 0;
  for (; i + vector::width <= n; i += vector::width) vector::load(in + i).store(out + i);
  return i;
}

inline __m128i narrow_vector(__m256 x, f16) { return _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT); }

// As bf16(f32): to nearest even by an addition, NaN made quiet.
inline __m128i narrow_vector(__m256 x, bf16) {
  const __m256i u = _mm256_castps_si256(x), top = _mm256_srli_epi32(u, 16);
  const __m256i odd = _mm256_and_si256(top, _mm256_set1_epi32(1));
  const __m256i near = _mm256_srli_epi32(_mm256_add_epi32(u, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff))), 16);
  const __m256i nan = _mm256_or_si256(top, _mm256_set1_epi32(0x40));
  const __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  const __m256i words = _mm256_blendv_epi8(near, nan, is_nan);
  return _mm_packus_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}

template <class Half>
isize narrow_vectors(const f32* in, Half* out, isize n) {
  isize i = 0;
  for (; i + 8 <= n; i += 8)
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i), narrow_vector(_mm256_loadu_ps(in + i), Half{}));
  return i;
}
#else
template <class Half>
isize widen_vectors(const Half*, f32*, isize) {
  return 0;
}
template <class Half>
isize narrow_vectors(const f32*, Half*, isize) {
  return 0;
}
#endif

template <class T>
inline constexpr bool is_half = std::is_same_v<T, f16> || std::is_same_v<T, bf16>;

/// n elements of dtype W as f32.
template <class W>
void to_f32(const typename dtype<W>::storage* in, f32* out, isize n) {
  if constexpr (BlockFormat<W>) {
    dequantize<W>(in, out, n);
  } else {
    isize i = 0;
    if constexpr (is_half<W>) i = widen_vectors(in, out, n);
    for (; i < n; ++i) out[i] = f32(in[i]);
  }
}

/// n f32 elements as dtype W.
template <class W>
void from_f32(const f32* in, typename dtype<W>::storage* out, isize n) {
  if constexpr (BlockFormat<W>) {
    quantize<W>(in, out, n);
  } else {
    isize i = 0;
    if constexpr (is_half<W>) i = narrow_vectors(in, out, n);
    for (; i < n; ++i) out[i] = W(in[i]);
  }
}

}  // namespace detail

}  // namespace hft

HFT_INTRINSICS_END
