// Vectors of texts in fewer bits, for an index: a byte or a bit for each feature.
// sentence_transformers/util/quantization.py
#pragma once
#include <algorithm>
#include <cmath>

#include <hft/linkage.hpp>
#include <hft/tensor.hpp>

namespace hft {

enum class EmbeddingPrecision {
  int8,    // 255 steps from a feature's smallest value to its largest, -128 to 127
  uint8,   // the same from 0 on
  binary,  // whether it is above 0: eight features a byte, the first of them its highest bit, less 128
  ubinary  // the same, less nothing
};

/// The smallest and the largest value of each feature: (N,C) => (2,C). Throws value_error for fewer than two vectors.
Tensor<f32, 2> embedding_ranges(const Tensor<f32, 2>& embeddings);

namespace detail {
// Bytes as they are without a sign; int8 and binary are 128 less.
Tensor<u8, 2> quantized_bytes(const Tensor<f32, 2>& embeddings, const Tensor<f32, 2>& ranges);
Tensor<u8, 2> quantized_bits(const Tensor<f32, 2>& embeddings);
}  // namespace detail

/// (N,C) => (N,C) of bytes, or (N, C/8, rounded up) of bits. Bytes go by `ranges` (2,C), which are those of many other
/// vectors, or where there are none of these themselves. Throws shape_error for ranges of another size.
template <EmbeddingPrecision P>
auto quantize_embeddings(const Tensor<f32, 2>& embeddings, const Tensor<f32, 2>& ranges = {}) {
  constexpr bool bits = P == EmbeddingPrecision::binary || P == EmbeddingPrecision::ubinary;
  constexpr bool has_sign = P == EmbeddingPrecision::int8 || P == EmbeddingPrecision::binary;
  Tensor<u8, 2> y;
  if constexpr (bits)
    y = detail::quantized_bits(embeddings);
  else
    y = detail::quantized_bytes(embeddings, ranges);
  if constexpr (has_sign) {
    Tensor<i8, 2> out(y.shape());
    for (isize i = 0; i < y.size(); ++i) out.data()[i] = i8(int(y.data()[i]) - 128);
    return out;
  } else {
    return y;
  }
}

#if HFT_DEFINES(MODELS)

HFT_INLINE Tensor<f32, 2> embedding_ranges(const Tensor<f32, 2>& embeddings) {
  const isize N = embeddings.extent(0), C = embeddings.extent(1);
  if (N < 2)
    throw value_error("quantize_embeddings", "embeddings", "at least two, or ranges of others", detail::joined(N));
  const auto x = embeddings.dense();
  Tensor<f32, 2> ranges({2, C});
  for (isize c = 0; c < C; ++c) {
    f32 low = x.data()[c], high = low;
    for (isize n = 1; n < N; ++n) {
      low = std::min(low, x.data()[n * C + c]);
      high = std::max(high, x.data()[n * C + c]);
    }
    ranges.data()[c] = low, ranges.data()[C + c] = high;
  }
  return ranges;
}

namespace detail {

HFT_INLINE Tensor<u8, 2> quantized_bytes(const Tensor<f32, 2>& embeddings, const Tensor<f32, 2>& ranges) {
  const isize N = embeddings.extent(0), C = embeddings.extent(1);
  Tensor<u8, 2> y({N, C});
  if (!N) return y;
  const auto x = embeddings.dense(), r = (ranges ? ranges : embedding_ranges(embeddings)).dense();
  if (r.extent(0) != 2 || r.extent(1) != C)
    throw shape_error("quantize_embeddings", "ranges", joined("(2, ", C, ")"), shape_text(r.shape()));
  for (isize i = 0; i < N * C; ++i) {
    const f32 start = r.data()[i % C], step = (r.data()[C + i % C] - start) / 255;
    y.data()[i] = u8(std::clamp(std::floor((x.data()[i] - start) / (step == 0 ? 1 : step)), 0.0f, 255.0f));
  }
  return y;
}

HFT_INLINE Tensor<u8, 2> quantized_bits(const Tensor<f32, 2>& embeddings) {
  const isize N = embeddings.extent(0), C = embeddings.extent(1), bytes = (C + 7) / 8;
  const auto x = embeddings.dense();
  auto y = Tensor<u8, 2>::zeros({N, bytes});
  for (isize n = 0; n < N; ++n)
    for (isize c = 0; c < C; ++c)
      if (x.data()[n * C + c] > 0) y.data()[n * bytes + c / 8] |= u8(0x80 >> c % 8);
  return y;
}

}  // namespace detail

#endif  // HFT_DEFINES

}  // namespace hft
