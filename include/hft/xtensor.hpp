// to_xtensor: a tensor as an xtensor array, for the user's side of things. No copy. Opt-in header; needs xtensor.
#pragma once
#include <array>
#include <type_traits>
#include <utility>
#include <xtensor/xadapt.hpp>
#include <xtensor/xstrided_view.hpp>

#include <hft/tensor.hpp>

namespace hft {

namespace detail {
template <class T, std::size_t Rank>
auto xtensor_view(T* data, const Tensor<std::remove_const_t<T>, Rank>& t) {
  std::array<std::size_t, Rank> shape{};
  std::array<std::ptrdiff_t, Rank> strides{};
  std::size_t reach = t.size() ? 1 : 0;  // elements from the first to the last
  for (std::size_t d = 0; d < Rank; ++d) {
    shape[d] = std::size_t(t.extent(d));
    strides[d] = shape[d] == 1 ? 0 : t.stride(d);  // xtensor's own convention, on which its broadcasting rests
    if (t.size()) reach += std::size_t((t.extent(d) - 1) * t.stride(d));
  }
  // An adaptor wants memory of exactly its shape's size, so a strided view lies over a flat one.
  auto flat = xt::adapt(data, reach, xt::no_ownership(), std::array<std::size_t, 1>{reach});
  using view = xt::xstrided_view<decltype(flat), std::array<std::size_t, Rank>, xt::layout_type::dynamic>;
  return view(std::move(flat), std::move(shape), std::move(strides), 0, xt::layout_type::dynamic);
}
}  // namespace detail

/// An xtensor view of the tensor's memory, strides and all, which must outlive it; of a const tensor a view of
/// constants. Writing to it writes to the tensor, and leaves the file that a weight was mapped from as it is.
template <Scalar T, std::size_t Rank>
requires std::is_arithmetic_v<T>
auto to_xtensor(const Tensor<T, Rank>& t) { return detail::xtensor_view(static_cast<const T*>(t.data()), t); }
template <Scalar T, std::size_t Rank>
requires std::is_arithmetic_v<T>
auto to_xtensor(Tensor<T, Rank>& t) { return detail::xtensor_view(t.data(), t); }
template <Scalar T, std::size_t Rank>
requires std::is_arithmetic_v<T>
auto to_xtensor(Tensor<T, Rank>&& t) { return to_xtensor(t); }

}  // namespace hft
