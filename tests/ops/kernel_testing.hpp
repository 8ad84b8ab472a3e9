// What the tests of CPU kernels share: the instruction sets that this build has, numbers, rows with a stride, and a
// comparison that names the element.
#pragma once
#include <algorithm>
#include <cmath>
#include <tuple>
#include <vector>

#include <boost/test/unit_test.hpp>

#include <hft/ops/cpu/isa.hpp>
#include <hft/tensor.hpp>

namespace hft::testing {

/// Every tag that the compiler's target allows; generic is the oracle (which generic_kernels.cpp compares with f64),
/// and compares with itself where it is alone.
using isa_tags = std::tuple<isa::generic
#if defined(HFT_ISA_AVX2)
                            ,
                            isa::avx2
#endif
#if defined(HFT_ISA_AVX512)
                            ,
                            isa::avx512
#endif
                            ,
                            cpu>;

/// The same numbers on every run: a linear congruential generator (Knuth's MMIX constants), uniform in [low, high).
struct numbers {
  std::uint64_t state;
  explicit numbers(std::uint64_t seed) : state(seed) {}
  f32 operator()(f32 low = -1, f32 high = 1) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return low + (high - low) * f32(state >> 40) * 0x1p-24f;
  }
};

/// A rows x cols matrix whose rows lie `stride` apart, with a sentinel between and behind them.
struct strided {
  static constexpr f32 sentinel = 12345.0f;
  isize rows, cols, stride;
  std::vector<f32> memory;

  strided(isize r, isize c, isize padding, std::uint64_t seed, f32 low = -1, f32 high = 1)
      : rows(r), cols(c), stride(c + padding), memory(std::size_t(r * (c + padding)), sentinel) {
    numbers next(seed);
    for (isize i = 0; i < rows; ++i)
      for (isize j = 0; j < cols; ++j) memory[std::size_t(i * stride + j)] = next(low, high);
  }
  matrix<f32> view() { return {memory.data(), rows, cols, stride}; }
  matrix<const f32> view() const { return {memory.data(), rows, cols, stride}; }
  /// Whether nothing was written beyond the columns.
  bool intact() const {
    for (isize i = 0; i < rows; ++i)
      for (isize j = cols; j < stride; ++j)
        if (memory[std::size_t(i * stride + j)] != sentinel) return false;
    return true;
  }
};

/// The largest |got - expected| / max(1, |expected|); infinite where only one of both is NaN or they are different
/// infinities.
inline f32 largest_difference(matrix<const f32> got, matrix<const f32> expected) {
  f32 worst = 0;
  for (isize i = 0; i < got.rows; ++i)
    for (isize j = 0; j < got.cols; ++j) {
      const f32 g = got.row(i)[j], e = expected.row(i)[j];
      if (g == e || (std::isnan(g) && std::isnan(e))) continue;
      const f32 d = std::abs(g - e) / std::max(1.0f, std::abs(e));
      worst = std::max(worst, std::isfinite(d) ? d : INFINITY);
    }
  return worst;
}

/// Column counts around every vector width, and two of real models.
inline constexpr isize widths[] = {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 130, 576, 1000};

}  // namespace hft::testing
