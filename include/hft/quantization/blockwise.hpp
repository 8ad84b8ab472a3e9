// Blockwise 8-bit quantisation, of optimizer states and of scales: 256 elements share a scale, and each is one of 256
// values whose distances shrink towards zero (Dettmers et al. 2021, "8-bit optimizers via block-wise quantization",
// arXiv 2110.02861; bitsandbytes create_dynamic_map).
#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include <hft/dtype.hpp>

namespace hft::detail {

inline constexpr isize block_size = 256;
constexpr isize num_blocks(isize n) { return (n + block_size - 1) / block_size; }

/// The 256 values, sorted, and what finds the one nearest to a number in [-1, 1].
class dynamic_map {
 public:
  /// Seven decades below 1, each with twice as many values as the one beneath: of both signs, or of one and twice as
  /// many of it. Bit for bit those of bitsandbytes: the middles of torch.linspace(0.1, 1), which counts from both ends.
  explicit dynamic_map(bool is_signed) {
    std::size_t n = 0;
    constexpr f32 decades[] = {1e-6f, 1e-5f, 1e-4f, 1e-3f, 1e-2f, 1e-1f, 1};
    for (int i = 0; i < 7; ++i) {
      const int items = is_signed ? 1 << i : 2 << i;
      const f32 step = (1 - 0.1f) / f32(items);
      const auto bound = [&](int k) {
        return k < (items + 1) / 2 ? f32(f64(0.1f) + f64(step) * k) : f32(1 - f64(step) * (items - k));
      };
      for (int k = 0; k < items; ++k) {
        const f32 value = decades[i] * ((bound(k) + bound(k + 1)) / 2);
        values[n++] = value;
        if (is_signed) values[n++] = -value;
      }
    }
    values[n++] = 0;
    values[n++] = 1;
    // One sign has 254 values above zero and these two; so have both together.
    std::sort(values.begin(), values.begin() + std::ptrdiff_t(n));
    for (std::size_t i = 0; i + 1 < values.size(); ++i) middle_[i] = (values[i] + values[i + 1]) / 2;
    middle_[255] = 2;
    for (std::uint32_t key = 0; key < keys; ++key)
      for (const bool negative : {false, true}) {
        // The end of the key's range that has the lowest code.
        const f32 x = negative ? -magnitude(key + 1) : magnitude(key);
        first_[negative][key] = u8(std::lower_bound(middle_.begin(), middle_.end(), x) - middle_.begin());
      }
  }

  u8 nearest(f32 x) const {
    const auto bits = std::bit_cast<std::uint32_t>(x);
    const std::uint32_t upper = (bits & 0x7fffffffu) >> 16;
    const std::uint32_t key = std::min(std::max(upper, lowest) - lowest, keys - 1);
    u8 code = first_[bits >> 31][key];
    while (x > middle_[code]) ++code;
    return code;
  }

  std::array<f32, 256> values{};

  static const dynamic_map& of(bool is_signed) {
    static const dynamic_map both(true), one(false);
    return is_signed ? both : one;
  }

 private:
  // A key is the exponent and seven bits of the mantissa, from 2^-24, below which all round to zero, up to 1.
  static constexpr std::uint32_t lowest = (127 - 24) << 7, keys = (24 << 7) + 1;
  static f32 magnitude(std::uint32_t key) { return key ? std::bit_cast<f32>((key + lowest) << 16) : 0.0f; }

  std::array<f32, 256> middle_{};  // between a value and the next
  u8 first_[2][keys];              // by sign and key: the lowest code that may be nearest
};

/// n <= 256 values from their codes and their scale.
inline void dequantize_block(const u8* codes, f32 absmax, bool is_signed, isize n, f32* out) {
  const auto& values = dynamic_map::of(is_signed).values;
  for (isize i = 0; i < n; ++i) out[i] = values[codes[i]] * absmax;
}

/// The codes of n <= 256 values; returns their scale, the largest magnitude.
inline f32 quantize_block(const f32* x, isize n, bool is_signed, u8* codes) {
  const dynamic_map& map = dynamic_map::of(is_signed);
  f32 absmax = 0;
  for (isize i = 0; i < n; ++i) absmax = std::max(absmax, std::abs(x[i]));
  const f32 scale = absmax > 0 ? 1 / absmax : 0;
  for (isize i = 0; i < n; ++i) codes[i] = map.nearest(std::min(std::max(x[i] * scale, -1.0f), 1.0f));
  return absmax;
}

}  // namespace hft::detail
