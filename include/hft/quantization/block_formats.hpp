// What the bits of a block format mean: the levels, scales and minima of a block, and its values.
//
// Every format is groups of unsigned levels q. A group has a scale d and, in some formats, a minimum m:
//   Q4_0 Q5_0 Q8_0 Q6_K   value = d * (q - offset)      offset: the middle of the levels' range
//   Q4_1 Q5_1 Q4_K Q5_K   value = d * q + m
// Q8_0 stores signed levels; they count as unsigned here, with offset 128. The values are bit for bit those of ggml and
// of gguf-py: the products are exact in f32 (11 bits of d, at most 7 of a K format's own scale, at most 8 of q), so a
// compiler that contracts them into an fma changes nothing.
//
// NF4, whose levels are not evenly spaced, has a header of its own. quantize.hpp is the way back, convert.hpp the
// conversion between any two dtypes.
#pragma once
#include <cstring>
#include <type_traits>

#include <hft/dtype.hpp>
#include <hft/quantization/nf4.hpp>

namespace hft {

/// A dtype whose storage unit is a block with scales of its own.
template <class W>
concept BlockFormat = dtype<W>::block >
1;

/// The layout of a block format:
///   group    elements that share a scale
///   offset   what is taken from a level before it is scaled; 0 where the group has a minimum
///   levels   the number of levels
/// and unpack(b, q, d, m): a block's levels (block), scales (block / group) and minima (as many; untouched if offset).
template <class W>
struct block_format;

namespace detail {

// Four-bit halves of 16 bytes: low ones are elements 0..15, high ones 16..31.
inline void unpack_nibbles(const u8* from, u8* q) {
  for (int i = 0; i < 16; ++i) q[i] = from[i] & 15;
  for (int i = 0; i < 16; ++i) q[i + 16] = u8(from[i] >> 4);
}

// Adds the fifth bits: bit i of the little-endian word belongs to element i.
inline void unpack_fifth_bits(const u8* from, u8* q) {
  std::uint32_t bits;
  std::memcpy(&bits, from, 4);
  for (int i = 0; i < 32; ++i) q[i] = u8(q[i] | ((bits >> i) & 1u) << 4);
}

// Eight 6-bit scales and eight 6-bit minima in 12 bytes.
inline void unpack_k_scales(const u8* from, u8* scale, u8* min) {
  for (int i = 0; i < 4; ++i) {
    scale[i] = from[i] & 63;
    min[i] = from[i + 4] & 63;
    scale[i + 4] = u8((from[i + 8] & 15) | (from[i] >> 6) << 4);
    min[i + 4] = u8((from[i + 8] >> 4) | (from[i + 4] >> 6) << 4);
  }
}

// The scales d * scale and minima -dmin * min of Q4_K and Q5_K.
template <class Storage>
void unpack_k_groups(const Storage& b, f32* d, f32* m) {
  u8 scale[8], min[8];
  unpack_k_scales(b.scales, scale, min);
  for (int i = 0; i < 8; ++i) d[i] = f32(b.d) * f32(scale[i]), m[i] = -(f32(b.dmin) * f32(min[i]));
}

}  // namespace detail

template <>
struct block_format<q4_0> {
  static constexpr isize group = 32;
  static constexpr int offset = 8, levels = 16;
  static void unpack(const q4_0::storage& b, u8* q, f32* d, f32*) {
    *d = f32(b.d);
    detail::unpack_nibbles(b.qs, q);
  }
};

template <>
struct block_format<q4_1> {
  static constexpr isize group = 32;
  static constexpr int offset = 0, levels = 16;
  static void unpack(const q4_1::storage& b, u8* q, f32* d, f32* m) {
    *d = f32(b.d), *m = f32(b.m);
    detail::unpack_nibbles(b.qs, q);
  }
};

template <>
struct block_format<q5_0> {
  static constexpr isize group = 32;
  static constexpr int offset = 16, levels = 32;
  static void unpack(const q5_0::storage& b, u8* q, f32* d, f32*) {
    *d = f32(b.d);
    detail::unpack_nibbles(b.qs, q);
    detail::unpack_fifth_bits(b.qh, q);
  }
};

template <>
struct block_format<q5_1> {
  static constexpr isize group = 32;
  static constexpr int offset = 0, levels = 32;
  static void unpack(const q5_1::storage& b, u8* q, f32* d, f32* m) {
    *d = f32(b.d), *m = f32(b.m);
    detail::unpack_nibbles(b.qs, q);
    detail::unpack_fifth_bits(b.qh, q);
  }
};

template <>
struct block_format<q8_0> {
  static constexpr isize group = 32;
  static constexpr int offset = 128, levels = 256;
  static void unpack(const q8_0::storage& b, u8* q, f32* d, f32*) {
    *d = f32(b.d);
    for (int i = 0; i < 32; ++i) q[i] = u8(u8(b.qs[i]) ^ 128);
  }
};

template <>
struct block_format<q4_k> {
  static constexpr isize group = 32;
  static constexpr int offset = 0, levels = 16;
  static void unpack(const q4_k::storage& b, u8* q, f32* d, f32* m) {
    detail::unpack_k_groups(b, d, m);
    for (int part = 0; part < 4; ++part, q += 64) {  // 32 bytes: the low nibbles are one group, the high ones the next
      for (int i = 0; i < 32; ++i) q[i] = b.qs[part * 32 + i] & 15;
      for (int i = 0; i < 32; ++i) q[i + 32] = u8(b.qs[part * 32 + i] >> 4);
    }
  }
};

template <>
struct block_format<q5_k> {
  static constexpr isize group = 32;
  static constexpr int offset = 0, levels = 32;
  static void unpack(const q5_k::storage& b, u8* q, f32* d, f32* m) {
    detail::unpack_k_groups(b, d, m);
    for (int part = 0; part < 4; ++part, q += 64) {  // bit g of qh[i] is the fifth bit of element i of group g
      for (int i = 0; i < 32; ++i) q[i] = u8((b.qs[part * 32 + i] & 15) | ((b.qh[i] >> (2 * part)) & 1) << 4);
      for (int i = 0; i < 32; ++i) q[i + 32] = u8((b.qs[part * 32 + i] >> 4) | ((b.qh[i] >> (2 * part + 1)) & 1) << 4);
    }
  }
};

template <>
struct block_format<q6_k> {
  static constexpr isize group = 16;
  static constexpr int offset = 32, levels = 64;
  static void unpack(const q6_k::storage& b, u8* q, f32* d, f32*) {
    for (int i = 0; i < 16; ++i) d[i] = f32(b.d) * f32(b.scales[i]);
    for (int half = 0; half < 2; ++half, q += 128) {
      const u8 *low = b.ql + 64 * half, *high = b.qh + 32 * half;
      for (int i = 0; i < 64; ++i) q[i] = u8((low[i] & 15) | ((high[i & 31] >> (i / 32 * 2)) & 3) << 4);
      for (int i = 0; i < 64; ++i) q[i + 64] = u8((low[i] >> 4) | ((high[i & 31] >> (i / 32 * 2 + 4)) & 3) << 4);
    }
  }
};

namespace detail {
template <class W>
void dequantize_even(const typename dtype<W>::storage* in, f32* out, isize n) {
  using format = block_format<W>;
  constexpr isize block = dtype<W>::block, group = format::group;
  u8 q[block];
  f32 d[block / group], m[block / group] = {};
  for (isize i = 0; i < n; i += block, ++in) {
    format::unpack(*in, q, d, m);
    for (isize g = 0; g < block / group; ++g)
      for (isize e = g * group; e < (g + 1) * group; ++e) {
        if constexpr (format::offset != 0)
          *out++ = d[g] * f32(int(q[e]) - format::offset);
        else
          *out++ = d[g] * f32(q[e]) + m[g];
      }
  }
}
}  // namespace detail

/// A block format whose levels are evenly spaced, so that products may be of integers; all but nf4.
template <class W>
concept EvenLevels = BlockFormat<W> && !std::is_same_v<W, nf4>;

/// Writes the values of n elements, a multiple of the block.
template <BlockFormat W>
void dequantize(const typename dtype<W>::storage* in, f32* out, isize n) {
  if constexpr (EvenLevels<W>)
    detail::dequantize_even<W>(in, out, n);
  else
    for (isize i = 0; i < n; i += dtype<W>::block) detail::dequantize_block(*in++, out + i);
}

}  // namespace hft
