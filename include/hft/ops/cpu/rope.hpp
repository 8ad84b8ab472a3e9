// Rotary position embedding on the CPU: pairs of a head's elements turned by an angle for each token.
#pragma once
#include <hft/linkage.hpp>
#include <hft/ops/heads.hpp>
#include <hft/tensor.hpp>

namespace hft {

void rope_kernel(cpu, heads_view<f32> y, heads_view<const f32> x, matrix<const f32> cos, matrix<const f32> sin,
                 bool interleaved);

}  // namespace hft

#if HFT_DEFINES(KERNELS)
#include <algorithm>
#include <cstring>
#include <utility>

#include <hft/ops/cpu/isa.hpp>
#include <hft/ops/cpu/vector_math.hpp>
#include <hft/parallel.hpp>

HFT_INTRINSICS_BEGIN

namespace hft {

// ---- the oracle

/// Turns the first R elements of each head, R / 2 pairs, by the angles of row b * T + t of cos and sin (B*T, R/2); the
/// rest is copied. Pair i is (x[i], x[i + R/2]), or (x[2i], x[2i + 1]) if `interleaved`. y may be x.
inline void rope_kernel(isa::generic, heads_view<f32> y, heads_view<const f32> x, matrix<const f32> cos,
                        matrix<const f32> sin, bool interleaved) {
  const isize pairs = cos.cols, step = interleaved ? 2 : 1, partner = interleaved ? 1 : pairs;
  for (isize b = 0; b < x.batch; ++b)
    for (isize t = 0; t < x.tokens; ++t)
      for (isize h = 0; h < x.heads; ++h) {
        const f32 *in = x.at(b, t, h), *c = cos.row(b * x.tokens + t), *s = sin.row(b * x.tokens + t);
        f32* out = y.at(b, t, h);
        for (isize i = 0; i < pairs; ++i) {
          const f32 first = in[i * step], second = in[i * step + partner];
          out[i * step] = first * c[i] - second * s[i];
          out[i * step + partner] = second * c[i] + first * s[i];
        }
        for (isize i = 2 * pairs; i < x.dim; ++i) out[i] = in[i];
      }
}

// ---- by vectors

namespace detail {

// (x[2i], x[2i + 1]) turned by the angle of c[i], s[i], for the pairs of one vector.
#if defined(HFT_ISA_AVX2)
inline isa::f32x8 turn_neighbours(isa::f32x8 x, const f32* c, const f32* s) {
  const auto twice = [](const f32* p) {
    return _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(p)), _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3));
  };
  return {_mm256_fmaddsub_ps(x.v, twice(c), _mm256_mul_ps(_mm256_permute_ps(x.v, 0xb1), twice(s)))};
}
#endif
#if defined(HFT_ISA_AVX512)
inline isa::f32x16 turn_neighbours(isa::f32x16 x, const f32* c, const f32* s) {
  const auto twice = [](const f32* p) {
    const __m512i each = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    return _mm512_permutexvar_ps(each, _mm512_castps256_ps512(_mm256_loadu_ps(p)));
  };
  return {_mm512_fmaddsub_ps(x.v, twice(c), _mm512_mul_ps(_mm512_permute_ps(x.v, 0xb1), twice(s)))};
}
#endif

template <class V>
void turn_head(f32* y, const f32* x, const f32* c, const f32* s, isize pairs, bool interleaved) {
  if (interleaved) {
    isize i = 0;
    for (; 2 * i + V::width <= 2 * pairs; i += V::width / 2)
      turn_neighbours(V::load(x + 2 * i), c + i, s + i).store(y + 2 * i);
    for (; i < pairs; ++i) {
      const f32 first = x[2 * i], second = x[2 * i + 1];
      y[2 * i] = first * c[i] - second * s[i];
      y[2 * i + 1] = second * c[i] + first * s[i];
    }
    return;
  }
  const auto turn = [](V first, V second, V cos, V sin) {
    return std::pair{fma(first, cos, V::zero() - second * sin), fma(second, cos, first * sin)};
  };
  isize i = 0;
  for (; i + V::width <= pairs; i += V::width) {
    const auto [a, b] = turn(V::load(x + i), V::load(x + pairs + i), V::load(c + i), V::load(s + i));
    a.store(y + i);
    b.store(y + pairs + i);
  }
  if (const isize n = pairs - i; n > 0) {
    const auto [a, b] =
        turn(V::load_n(x + i, n), V::load_n(x + pairs + i, n), V::load_n(c + i, n), V::load_n(s + i, n));
    a.store_n(y + i, n);
    b.store_n(y + pairs + i, n);
  }
}

}  // namespace detail

template <isa::vectorised Isa>
void rope_kernel(Isa, heads_view<f32> y, heads_view<const f32> x, matrix<const f32> cos, matrix<const f32> sin,
                 bool interleaved) {
  const isize turned = 2 * cos.cols;
  parallel_for(x.batch * x.tokens, std::max<isize>(1, 16384 / (x.heads * x.dim + 1)), [&](isize begin, isize end) {
    for (isize i = begin; i < end; ++i)
      for (isize h = 0; h < x.heads; ++h) {
        const f32* in = x.at(i / x.tokens, i % x.tokens, h);
        f32* out = y.at(i / x.tokens, i % x.tokens, h);
        detail::turn_head<isa::floats<Isa>>(out, in, cos.row(i), sin.row(i), cos.cols, interleaved);
        if (turned < x.dim && out != in)
          std::memcpy(out + turned, in + turned, std::size_t(x.dim - turned) * sizeof(f32));
      }
  });
}

// ---- on all threads

HFT_INLINE void rope_kernel(cpu, heads_view<f32> y, heads_view<const f32> x, matrix<const f32> cos,
                            matrix<const f32> sin, bool interleaved) {
  rope_kernel(isa::native{}, y, x, cos, sin, interleaved);
}

}  // namespace hft

HFT_INTRINSICS_END
#endif  // HFT_DEFINES
