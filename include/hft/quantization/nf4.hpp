// NF4: a block of 64 elements is a scale and 64 codes of 16 levels, the quantiles of the normal distribution scaled
// into
// [-1, 1]. Values are bit for bit those of bitsandbytes (quant_type "nf4", blocksize 64, without double quantisation).
#pragma once
#include <array>
#include <cmath>

#include <hft/dtype.hpp>

namespace hft::detail {

inline constexpr std::array<f32, 16> nf4_levels{-1.0f,
                                                -0.6961928009986877f,
                                                -0.5250730514526367f,
                                                -0.39491748809814453f,
                                                -0.28444138169288635f,
                                                -0.18477343022823334f,
                                                -0.09105003625154495f,
                                                0.0f,
                                                0.07958029955625534f,
                                                0.16093020141124725f,
                                                0.24611230194568634f,
                                                0.33791524171829224f,
                                                0.44070982933044434f,
                                                0.5626170039176941f,
                                                0.7229568362236023f,
                                                1.0f};

inline void dequantize_block(const nf4::storage& b, f32* out) {
  f32 values[16];  // 16 products in the place of 64
  for (std::size_t i = 0; i < 16; ++i) values[i] = nf4_levels[i] * b.absmax;
  for (int i = 0; i < 32; ++i) {
    out[2 * i] = values[b.qs[i] >> 4];
    out[2 * i + 1] = values[b.qs[i] & 15];
  }
}

/// The place of the level nearest to x, of 16 that rise; the lower of two that are equally near.
inline u8 nearest_level(const std::array<f32, 16>& levels, f32 x) {
  int code = 0;
  for (int step = 8; step > 0; step /= 2)  // by halves; codes up to `code` are known to be too low or nearest
    if (x > (levels[std::size_t(code + step - 1)] + levels[std::size_t(code + step)]) / 2) code += step;
  return u8(code);
}

/// The code of the level nearest to x in [-1, 1].
inline u8 nearest_nf4(f32 x) { return nearest_level(nf4_levels, x); }

inline void quantize_block(const f32* x, nf4::storage& b) {
  f32 absmax = 0;
  for (int i = 0; i < 64; ++i) absmax = std::fmax(absmax, std::fabs(x[i]));
  const f32 inverse = absmax > 0 ? 1 / absmax : 0;
  b.absmax = absmax;
  for (int i = 0; i < 32; ++i) b.qs[i] = u8(nearest_nf4(x[2 * i] * inverse) << 4 | nearest_nf4(x[2 * i + 1] * inverse));
}

}  // namespace hft::detail
