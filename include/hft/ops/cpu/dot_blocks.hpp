// Integer dot products of 8-bit activations with rows of a block format: y = x w^T for few tokens.
//
// Weights are read once, where they lie; four rows advance together, so that their sums are independent chains and an
// activation once loaded meets four weights. The overload on isa::generic says what is computed; dot_blocks_avx512.hpp
// computes the same with the sums in another order.
#pragma once
#include <hft/ops/cpu/dot_activations.hpp>
#include <hft/quantization/block_formats.hpp>
#include <hft/tensor.hpp>

namespace hft::detail {

/// y (M, N) = x (M, K) w (N, K)^T + bias; x is row t of y in 8 bits.
template <BlockFormat W>
void dot_blocks(isa::generic, matrix<f32> y, const q8_rows& x, weight_matrix<W> w, const f32* bias) {
  using format = block_format<W>;
  constexpr isize block = dtype<W>::block, group = format::group;
  u8 q[block];
  f32 d[block / group], m[block / group] = {};
  for (isize t = 0; t < y.rows; ++t) {
    const q8_row row = x.row(t);
    for (isize n = 0; n < w.rows; ++n) {
      f32 sum = 0;
      for (isize b = 0; b < w.cols / block; ++b) {
        format::unpack(w.row(n)[b], q, d, m);
        for (isize g = 0; g < block / group; ++g) {
          const isize first = b * block + g * group;
          i32 dot = 0, plain = 0;
          for (isize e = 0; e < group; ++e) {
            dot += i32(q[g * group + e]) * row.q[first + e];
            plain += row.q[first + e];
          }
          sum += d[g] * row.ds[first / 32 * 2] * f32(dot - format::offset * plain);
          if (format::offset == 0) sum += m[g] * (row.ds[first / 32 * 2] * f32(plain));
        }
      }
      y.row(t)[n] = bias ? sum + bias[n] : sum;
    }
  }
}

}  // namespace hft::detail

#include <hft/ops/cpu/dot_blocks_avx512.hpp>
