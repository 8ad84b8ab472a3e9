// Positions as sines and cosines, which are computed and no parameter (Vaswani et al. 2017, arXiv 1706.03762).
#pragma once
#include <cmath>
#include <optional>
#include <vector>

#include <hft/linkage.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// Of positions (B,T) => (B,T,C): all sines, then all cosines, and where C is odd a 0 at the end, as tensor2tensor and
/// fairseq lay them out. A position that is `zero_row` has zeros.
Tensor<f32, 3> sinusoids(const Tensor<i64, 2>& positions, isize channels, std::optional<i64> zero_row);

#if HFT_DEFINES(MODELS)

// In f32, step by step as Transformers computes its table, so that far positions agree.
HFT_INLINE Tensor<f32, 3> sinusoids(const Tensor<i64, 2>& positions, isize channels, std::optional<i64> zero_row) {
  const auto ids = positions.dense();
  const isize half = channels / 2;
  const f32 step = f32(-(std::log(10000.0) / f64(half - 1)));
  std::vector<f32> frequencies;
  for (isize i = 0; i < half; ++i) frequencies.push_back(std::exp(f32(i) * step));
  auto y = Tensor<f32, 3>::zeros({ids.extent(0), ids.extent(1), channels});
  for (isize r = 0; r < ids.size(); ++r) {
    if (ids.data()[r] == zero_row) continue;
    f32* row = y.data() + r * channels;
    for (isize i = 0; i < half; ++i) {
      const f32 angle = f32(ids.data()[r]) * frequencies[std::size_t(i)];
      row[i] = std::sin(angle);
      row[half + i] = std::cos(angle);
    }
  }
  return y;
}

#endif  // HFT_DEFINES

}  // namespace hft
