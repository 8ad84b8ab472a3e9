// add, mul, scale: tensors of one shape, element by element.
#pragma once
#include <hft/ops/cpu/elementwise.hpp>
#include <hft/tensor.hpp>

namespace hft {

namespace detail {
template <class X>
void check_same_shape(const char* op, const X& a, const X& b) {
  if (a.shape() != b.shape())
    throw shape_error(op, "", "two tensors of one shape",
                      joined(shape_text(a.shape()), " and ", shape_text(b.shape())));
}
}  // namespace detail

/// a + b; throws shape_error unless their shapes are equal.
template <Scalar A, std::size_t R, BaseDevice D>
Tensor<A, R, D> add(const Tensor<A, R, D>& a, const Tensor<A, R, D>& b) {
  detail::check_same_shape("add", a, b);
  const auto da = a.collapsible(), db = b.collapsible();
  Tensor<A, R, D> y(a.shape());
  add_kernel(D{}, y.rows(), matrix<const A>(da.rows()), matrix<const A>(db.rows()));
  return y;
}

/// a * b, element by element; throws shape_error unless their shapes are equal.
template <Scalar A, std::size_t R, BaseDevice D>
Tensor<A, R, D> mul(const Tensor<A, R, D>& a, const Tensor<A, R, D>& b) {
  detail::check_same_shape("mul", a, b);
  const auto da = a.collapsible(), db = b.collapsible();
  Tensor<A, R, D> y(a.shape());
  mul_kernel(D{}, y.rows(), matrix<const A>(da.rows()), matrix<const A>(db.rows()));
  return y;
}

/// s * x.
template <Scalar A, std::size_t R, BaseDevice D>
Tensor<A, R, D> scale(const Tensor<A, R, D>& x, f64 s) {
  const auto dense = x.collapsible();
  Tensor<A, R, D> y(x.shape());
  scale_kernel(D{}, y.rows(), matrix<const A>(dense.rows()), A(s));
  return y;
}

}  // namespace hft
