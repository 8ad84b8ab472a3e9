// to_eigen: a tensor as an Eigen matrix, its outer dimensions as rows. No copy. Opt-in header; needs Eigen.
#pragma once
#include <Eigen/Core>
#include <type_traits>

#include <hft/tensor.hpp>

namespace hft {

namespace detail {
template <class Matrix, class T, std::size_t Rank>
auto eigen_map(const Tensor<T, Rank>& t) {
  const auto r = t.rows();
  return Eigen::Map<Matrix, Eigen::Unaligned, Eigen::OuterStride<>>(r.data, r.rows, r.cols,
                                                                    Eigen::OuterStride<>(r.stride));
}
template <class T>
using eigen_matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
}  // namespace detail

/// A row-major Eigen map of the tensor's memory, which must outlive it; of a const tensor a map of constants. Writing
/// to it writes to the tensor, and leaves the file that a weight was mapped from as it is. Throws shape_error where the
/// outer dimensions do not lie at one distance (a permuted tensor: take its clone()).
template <Scalar T, std::size_t Rank>
requires std::is_arithmetic_v<T>
auto to_eigen(const Tensor<T, Rank>& t) { return detail::eigen_map<const detail::eigen_matrix<T>>(t); }
template <Scalar T, std::size_t Rank>
requires std::is_arithmetic_v<T>
auto to_eigen(Tensor<T, Rank>& t) { return detail::eigen_map<detail::eigen_matrix<T>>(t); }
template <Scalar T, std::size_t Rank>
requires std::is_arithmetic_v<T>
auto to_eigen(Tensor<T, Rank>&& t) { return to_eigen(t); }

}  // namespace hft
