// Conversion between any two dtypes that a weight may be stored in.
//
// Every conversion goes through f32 and rounds to nearest even; infinities stay, and NaN stays NaN.
#pragma once
#include <algorithm>
#include <cstring>
#include <string>

#include <hft/error.hpp>
#include <hft/linkage.hpp>
#include <hft/ops/cpu/isa.hpp>
#include <hft/parallel.hpp>
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

inline constexpr isize convert_chunk = 1024;  // elements on the stack at a time: a multiple of every block

// with_weight_dtype and f64.
template <class F>
void with_stored_dtype(dtype_id id, F&& f) {
  if (id == dtype_id::f64) return f(std::type_identity<f64>{});
  with_weight_dtype(id, f, [&]() -> void {
    throw value_error("convert", "dtype", "a floating or block dtype", std::string(name(id)));
  });
}

}  // namespace detail

/// Converts n elements. Throws value_error if a dtype is not a floating or block one, shape_error if n is not a
/// multiple of both blocks. Equal dtypes copy the bytes. `in` and `out` do not overlap.
void convert(dtype_id to, void* out, dtype_id from, const void* in, isize n);

/// Converts `rows` rows of `cols` elements each on all threads; both sides are dense. Throws as convert does.
void convert_rows(dtype_id to, void* out, dtype_id from, const void* in, isize rows, isize cols);

#if HFT_DEFINES(MODELS)

HFT_INLINE void convert(dtype_id to, void* out, dtype_id from, const void* in, isize n) {
  for (const dtype_id id : {to, from}) {
    if (!info(id).floating) throw value_error("convert", "dtype", "a floating or block dtype", std::string(name(id)));
    if (n < 0 || n % info(id).block)
      throw shape_error("convert", "", detail::joined("a multiple of ", info(id).block, " elements for ", name(id)),
                        detail::joined(n));
  }
  if (to == from) {
    std::memcpy(out, in, std::size_t(n / info(to).block * info(to).bytes));
    return;
  }
  // Through f32 on the stack, so that ten dtypes need twenty conversions and not a hundred.
  alignas(64) f32 part[detail::convert_chunk];
  const auto& source = info(from);
  const auto& target = info(to);
  for (isize i = 0; i < n; i += detail::convert_chunk) {
    const isize m = std::min(detail::convert_chunk, n - i);
    const auto* p = static_cast<const std::byte*>(in) + i / source.block * source.bytes;
    auto* q = static_cast<std::byte*>(out) + i / target.block * target.bytes;
    detail::with_stored_dtype(from, [&]<class From>(std::type_identity<From>) {
      detail::to_f32<From>(reinterpret_cast<const typename dtype<From>::storage*>(p), part, m);
    });
    detail::with_stored_dtype(to, [&]<class To>(std::type_identity<To>) {
      detail::from_f32<To>(part, reinterpret_cast<typename dtype<To>::storage*>(q), m);
    });
  }
}

HFT_INLINE void convert_rows(dtype_id to, void* out, dtype_id from, const void* in, isize rows, isize cols) {
  convert(to, out, from, in, 0);  // checks the dtypes before any thread starts
  for (const dtype_id id : {to, from})
    if (cols < 0 || cols % info(id).block)
      throw shape_error("convert", "row", detail::joined("a multiple of ", info(id).block, " elements for ", name(id)),
                        detail::joined(cols));
  const isize out_bytes = cols / info(to).block * info(to).bytes, in_bytes = cols / info(from).block * info(from).bytes;
  parallel_for(rows, 1, [&](isize begin, isize end) {
    convert(to, static_cast<std::byte*>(out) + begin * out_bytes, from,
            static_cast<const std::byte*>(in) + begin * in_bytes, (end - begin) * cols);
  });
}

#endif  // HFT_DEFINES

}  // namespace hft

HFT_INTRINSICS_END
