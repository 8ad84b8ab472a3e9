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

/// A table (rows,C) of positions 0, 1, ..., as Marian and Pegasus begin with it: the sines of position / 10000^(2i/C),
/// of which there is one more where C is odd, then the cosines.
Tensor<f32, 2> sinusoid_table(isize rows, isize channels);

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

HFT_INLINE Tensor<f32, 2> sinusoid_table(isize rows, isize channels) {
  Tensor<f32, 2> y({rows, channels});
  const isize sines = (channels + 1) / 2;
  for (isize r = 0; r < rows; ++r)
    for (isize c = 0; c < channels; ++c) {
      const f64 angle = f64(r) / std::pow(10000.0, 2 * f64(c < sines ? c : c - sines) / f64(channels));
      y.data()[r * channels + c] = f32(c < sines ? std::sin(angle) : std::cos(angle));
    }
  return y;
}

#endif  // HFT_DEFINES

}  // namespace hft
