// to_eigen: a tensor as an Eigen matrix, its outer dimensions as rows. No copy. Opt-in header; needs Eigen.
#pragma once
#include <Eigen/Core>
#include <type_traits>

#include <hft/tensor.hpp>

namespace hft {

/// A row-major Eigen map of the tensor's memory; writing to it writes to the tensor. The tensor must outlive it.
/// Throws shape_error where the outer dimensions do not lie at one distance (a permuted tensor: take its clone()).
template <Scalar T, std::size_t Rank>
requires std::is_arithmetic_v<T>
auto to_eigen(const Tensor<T, Rank>& t) {
  using matrix_t = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const auto r = t.rows();
  return Eigen::Map<matrix_t, Eigen::Unaligned, Eigen::OuterStride<>>(r.data, r.rows, r.cols,
                                                                      Eigen::OuterStride<>(r.stride));
}

}  // namespace hft
