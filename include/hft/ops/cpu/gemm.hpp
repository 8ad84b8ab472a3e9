// Dense products of one floating type by Eigen. This is the only header of the library that includes Eigen.
#pragma once
#if !defined(EIGEN_DONT_PARALLELIZE)
#define EIGEN_DONT_PARALLELIZE  // the threads are ours: see parallel.hpp
#endif
#if !defined(EIGEN_MPL2_ONLY)
#define EIGEN_MPL2_ONLY
#endif
#include <hft/ops/cpu/isa.hpp>
#include <hft/tensor.hpp>

HFT_INTRINSICS_BEGIN
#include <Eigen/Core>

namespace hft::detail {

/// y (M, N) = x (M, K) w (N, K)^T + bias (N, or null), on the calling thread.
template <class T>
void gemm(matrix<T> y, matrix<const T> x, matrix<const T> w, const T* bias) {
  using rows = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using stride = Eigen::OuterStride<>;
  if (y.rows == 0 || y.cols == 0) return;
  const Eigen::Map<const rows, 0, stride> xm(x.data, x.rows, x.cols, stride(x.stride));
  const Eigen::Map<const rows, 0, stride> wm(w.data, w.rows, w.cols, stride(w.stride));
  Eigen::Map<rows, 0, stride> ym(y.data, y.rows, y.cols, stride(y.stride));
  ym.noalias() = xm * wm.transpose();
  if (bias) ym.rowwise() += Eigen::Map<const Eigen::Matrix<T, 1, Eigen::Dynamic>>(bias, y.cols);
}

/// y (M, N) = a (M, K) b (K, N), or += if `add`, on the calling thread.
template <class T>
void gemm_nn(matrix<T> y, matrix<const T> a, matrix<const T> b, bool add) {
  using rows = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using stride = Eigen::OuterStride<>;
  if (y.rows == 0 || y.cols == 0) return;
  const Eigen::Map<const rows, 0, stride> am(a.data, a.rows, a.cols, stride(a.stride));
  const Eigen::Map<const rows, 0, stride> bm(b.data, b.rows, b.cols, stride(b.stride));
  Eigen::Map<rows, 0, stride> ym(y.data, y.rows, y.cols, stride(y.stride));
  if (add)
    ym.noalias() += am * bm;
  else
    ym.noalias() = am * bm;
}

/// y (M, N) = a (K, M)^T b (K, N), or += if `add`, on the calling thread.
template <class T>
void gemm_tn(matrix<T> y, matrix<const T> a, matrix<const T> b, bool add) {
  using rows = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using stride = Eigen::OuterStride<>;
  if (y.rows == 0 || y.cols == 0) return;
  const Eigen::Map<const rows, 0, stride> am(a.data, a.rows, a.cols, stride(a.stride));
  const Eigen::Map<const rows, 0, stride> bm(b.data, b.rows, b.cols, stride(b.stride));
  Eigen::Map<rows, 0, stride> ym(y.data, y.rows, y.cols, stride(y.stride));
  if (add)
    ym.noalias() += am.transpose() * bm;
  else
    ym.noalias() = am.transpose() * bm;
}

}  // namespace hft::detail

HFT_INTRINSICS_END
