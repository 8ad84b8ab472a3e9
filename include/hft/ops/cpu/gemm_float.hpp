// Products of f32 or f64 matrices, y = x w^T + bias, where several rows of x share the effort of turning w: panels of
// weight rows are transposed once, so that a step along k is one broadcast of x times whole vectors of w.
//
// Each sum runs over k in order in one register, whatever the shape: a row of y does not depend on the rows beside it.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstring>
#include <type_traits>

#include <hft/ops/cpu/isa.hpp>
#include <hft/ops/cpu/vector_math.hpp>
#include <hft/tensor.hpp>

HFT_INTRINSICS_BEGIN

namespace hft::detail {

/// Sixteen bytes of T as a vector, by the compiler's own means: what every target has.
template <class T>
struct plain_vector {
  typedef T vector __attribute__((vector_size(16)));
  static constexpr isize width = 16 / isize(sizeof(T));
  vector v;

  static plain_vector zero() { return {vector{}}; }
  static plain_vector set(T x) { return {x - vector{}}; }
  static plain_vector load(const T* p) {
    plain_vector x;
    std::memcpy(&x.v, p, sizeof(vector));
    return x;
  }
  static plain_vector load_n(const T* p, isize n) {
    plain_vector x = zero();
    std::memcpy(&x.v, p, std::size_t(n) * sizeof(T));
    return x;
  }
  void store(T* p) const { std::memcpy(p, &v, sizeof(vector)); }
  friend plain_vector operator-(plain_vector a, plain_vector b) { return {a.v - b.v}; }
  friend plain_vector operator*(plain_vector a, plain_vector b) { return {a.v * b.v}; }
  friend plain_vector fma(plain_vector a, plain_vector b, plain_vector c) { return {a.v * b.v + c.v}; }
};

/// What a tile of y is made of: the vectors of f32 that a tag has, else plain ones. Its sums fill the registers that
/// loads and products leave free, of 16, or of 32 where vectors have 16 elements.
template <class T, class Isa>
struct gemm_tile {
  using V = plain_vector<T>;
  static constexpr isize rows = 3, vectors = 3;
};
template <isa::vectorised Isa>
struct gemm_tile<f32, Isa> {
  using V = isa::floats<Isa>;
  static constexpr isize rows = V::width == 16 ? 12 : 6, vectors = 2;
};

/// Rows of x times a transposed panel (K, C vectors), `columns` of which are y's.
template <isize R, isize C, class V, class T>
void multiply_tile(T* y, isize y_stride, const T* x, isize x_stride, const T* panel, isize K, const T* shift,
                   isize columns) {
  V sum[R][C];
  HFT_UNROLL
  for (isize i = 0; i < R; ++i) {
    HFT_UNROLL
    for (isize j = 0; j < C; ++j) sum[i][j] = V::load(shift + j * V::width);
  }
  for (isize k = 0; k < K; ++k, panel += C * V::width) {
    V w[C];
    HFT_UNROLL
    for (isize j = 0; j < C; ++j) w[j] = V::load(panel + j * V::width);
    HFT_UNROLL
    for (isize i = 0; i < R; ++i) {
      const V s = V::set(x[i * x_stride + k]);
      HFT_UNROLL
      for (isize j = 0; j < C; ++j) sum[i][j] = fma(s, w[j], sum[i][j]);
    }
  }
  HFT_UNROLL
  for (isize i = 0; i < R; ++i) {
    T row[C * V::width];
    HFT_UNROLL
    for (isize j = 0; j < C; ++j) sum[i][j].store(row + j * V::width);
    std::copy_n(row, columns, y + i * y_stride);
  }
}

/// panel (K, width) = rows [first, first + columns) of w, transposed; further columns repeat the last one.
template <class V, isize width, class T>
void transpose_panel(T* panel, matrix<const T> w, isize first, isize columns) {
  isize k = 0;
  if constexpr (V::width >= 8)
    if (columns == width)
      for (; k + 8 <= w.cols; k += 8)
        for (isize j = 0; j < width; j += 8)
          transpose_8x8(V{}, panel + k * width + j, width, w.row(first + j) + k, w.stride);
  const T* from[width];
  for (isize j = 0; j < width; ++j) from[j] = w.row(first + std::min(j, columns - 1));
  for (; k < w.cols; ++k)
    for (isize j = 0; j < width; ++j) panel[k * width + j] = from[j][k];
}

/// y (M, N) = x (M, K) w (N, K)^T + bias (N, or null), on the calling thread.
template <class Isa, class T>
void gemm_float(Isa, matrix<T> y, matrix<const T> x, matrix<const T> w, const T* bias) {
  using tile = gemm_tile<T, Isa>;
  using V = typename tile::V;
  constexpr isize width = tile::vectors * V::width;
  const isize K = x.cols;
  const buffer memory = cpu::allocate(std::size_t(width * (K + 1)) * sizeof(T));
  T* const panel = static_cast<T*>(memory.data());
  T* const shift = panel + width * K;
  for (isize n = 0; n < w.rows; n += width) {
    const isize columns = std::min(width, w.rows - n);
    transpose_panel<V, width>(panel, w, n, columns);
    for (isize j = 0; j < width; ++j) shift[j] = bias && j < columns ? bias[n + j] : T(0);
    isize t = 0;
    const auto rows = [&]<isize Rows>(Int<Rows>) {
      multiply_tile<Rows, tile::vectors, V>(y.row(t) + n, y.stride, x.row(t), x.stride, panel, K, shift, columns);
      t += Rows;
    };
    while (t + tile::rows <= x.rows) rows(Int<tile::rows>{});
    if constexpr (tile::rows > 3)
      while (t + 2 <= x.rows) rows(Int<2>{});
    while (t < x.rows) rows(Int<1>{});
  }
}

}  // namespace hft::detail

HFT_INTRINSICS_END
