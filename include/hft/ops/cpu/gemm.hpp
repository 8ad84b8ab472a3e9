// Dense products of one floating type by Eigen, for backward passes: but for the opt-in hft/eigen.hpp the only header
// that includes it.
#pragma once
#if !defined(EIGEN_DONT_PARALLELIZE)
#define EIGEN_DONT_PARALLELIZE  // the threads are ours: see parallel.hpp
#endif
#if !defined(EIGEN_MPL2_ONLY)
#define EIGEN_MPL2_ONLY
#endif
#include <type_traits>

#include <hft/ops/cpu/isa.hpp>
#include <hft/tensor.hpp>

HFT_INTRINSICS_BEGIN
#include <Eigen/Core>

namespace hft::detail {

/// A matrix as Eigen sees it, strides and all.
template <class T>
auto eigen_map(matrix<T> m) {
  using rows = Eigen::Matrix<std::remove_const_t<T>, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using stride = Eigen::OuterStride<>;
  using map = Eigen::Map<std::conditional_t<std::is_const_v<T>, const rows, rows>, 0, stride>;
  return map(m.data, m.rows, m.cols, stride(m.stride));
}

/// y (M, N) = x (M, K) w (N, K)^T + bias (N, or null), on the calling thread.
template <class T>
void gemm(matrix<T> y, matrix<const T> x, matrix<const T> w, const T* bias) {
  if (y.rows == 0 || y.cols == 0) return;
  const auto xm = eigen_map(x), wm = eigen_map(w);
  auto ym = eigen_map(y);
  ym.noalias() = xm * wm.transpose();
  if (bias) ym.rowwise() += Eigen::Map<const Eigen::Matrix<T, 1, Eigen::Dynamic>>(bias, y.cols);
}

/// y (M, N) = a (M, K) b (K, N), or += if `add`, on the calling thread.
template <class T>
void gemm_nn(matrix<T> y, matrix<const T> a, matrix<const T> b, bool add) {
  if (y.rows == 0 || y.cols == 0) return;
  const auto am = eigen_map(a), bm = eigen_map(b);
  auto ym = eigen_map(y);
  if (add)
    ym.noalias() += am * bm;
  else
    ym.noalias() = am * bm;
}

/// y (M, N) = a (K, M)^T b (K, N), or += if `add`, on the calling thread.
template <class T>
void gemm_tn(matrix<T> y, matrix<const T> a, matrix<const T> b, bool add) {
  if (y.rows == 0 || y.cols == 0) return;
  const auto am = eigen_map(a), bm = eigen_map(b);
  auto ym = eigen_map(y);
  if (add)
    ym.noalias() += am.transpose() * bm;
  else
    ym.noalias() = am.transpose() * bm;
}

}  // namespace hft::detail

HFT_INTRINSICS_END
