// Small products of f32 on the calling thread, for kernels that go over their tokens block by block: operands as they
// lie, no packing.
#pragma once
#include <algorithm>

#include <hft/ops/cpu/isa.hpp>
#include <hft/ops/cpu/vector_math.hpp>

HFT_INTRINSICS_BEGIN

namespace hft::detail {

constexpr isize round_up(isize n, isize multiple) { return (n + multiple - 1) / multiple * multiple; }

/// C (rows, columns) = A (rows, depth) B (depth, columns), or += if `add`; C is read and written up to whole vectors.
/// Each element is summed over depth in order, whatever the tile.
template <class V>
struct row_product {
  static constexpr isize most_rows = 6, widest = 2;  // of a register tile: its rows, and its vectors in one

  f32* c;
  isize c_stride;
  const f32* a;
  isize a_stride;
  const f32* b;
  isize b_stride, depth;
  bool add;

  template <isize R, isize C>
  void tile(isize row, isize column, isize lanes) const {
    V sum[R][C];
    f32* to = c + row * c_stride + column;
    HFT_UNROLL
    for (isize i = 0; i < R; ++i) {
      HFT_UNROLL
      for (isize j = 0; j < C; ++j) sum[i][j] = add ? V::load(to + i * c_stride + j * V::width) : V::zero();
    }
    const f32 *left = a + row * a_stride, *right = b + column;
    for (isize k = 0; k < depth; ++k, ++left, right += b_stride) {
      V x[C];
      HFT_UNROLL
      for (isize j = 0; j < C; ++j) x[j] = C == 1 ? V::load_n(right, lanes) : V::load(right + j * V::width);
      HFT_UNROLL
      for (isize i = 0; i < R; ++i) {
        const V y = V::set(left[i * a_stride]);
        HFT_UNROLL
        for (isize j = 0; j < C; ++j) sum[i][j] = fma(y, x[j], sum[i][j]);
      }
    }
    HFT_UNROLL
    for (isize i = 0; i < R; ++i) {
      HFT_UNROLL
      for (isize j = 0; j < C; ++j) sum[i][j].store(to + i * c_stride + j * V::width);
    }
  }

  template <isize C>
  void columns(isize rows, isize column, isize lanes) const {
    isize row = 0;
    for (; row + most_rows <= rows; row += most_rows) tile<most_rows, C>(row, column, lanes);
    if (row + 4 <= rows) tile<4, C>(row, column, lanes), row += 4;
    for (; row + 2 <= rows; row += 2) tile<2, C>(row, column, lanes);
    if (row < rows) tile<1, C>(row, column, lanes);
  }

  void operator()(isize rows, isize cols) const {
    isize column = 0;
    for (; column + widest * V::width <= cols; column += widest * V::width) columns<widest>(rows, column, V::width);
    for (; column < cols; column += V::width) columns<1>(rows, column, std::min(V::width, cols - column));
  }
};

/// to (cols, to_stride) = from (rows, cols), transposed; its columns beyond `rows`, up to whole vectors, are zeros.
template <class V>
void transpose_rows(f32* to, isize to_stride, const f32* from, isize from_stride, isize rows, isize cols) {
  isize r = 0;
  if constexpr (V::width >= 8)
    for (; r + 8 <= rows; r += 8) {
      isize c = 0;
      for (; c + 8 <= cols; c += 8)
        transpose_8x8(V{}, to + c * to_stride + r, to_stride, from + r * from_stride + c, from_stride);
      for (; c < cols; ++c)
        for (isize i = r; i < r + 8; ++i) to[c * to_stride + i] = from[i * from_stride + c];
    }
  for (const isize width = round_up(rows, V::width); r < width; ++r)
    for (isize c = 0; c < cols; ++c) to[c * to_stride + r] = r < rows ? from[r * from_stride + c] : 0.0f;
}

}  // namespace hft::detail

HFT_INTRINSICS_END
