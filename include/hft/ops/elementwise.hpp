// add, mul, scale: tensors of one shape, element by element; mul_rows: every row by one vector.
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

/// x (..., C) times w (C), row by row; throws shape_error unless w has x's last extent.
template <Scalar A, std::size_t R, BaseDevice D>
requires(R > 1) Tensor<A, R, D> mul_rows(const Tensor<A, R, D>& x, const Tensor<A, 1, D>& w) {
  if (w.extent(0) != x.extent(R - 1))
    throw shape_error("mul_rows", "w", detail::joined("(", x.extent(R - 1), ")"), detail::shape_text(w.shape()));
  const auto dx = x.collapsible();
  const auto dw = x.extent(R - 1) ? w.dense() : w;
  Tensor<A, R, D> y(x.shape());
  const auto rows = matrix<const A>(dx.rows());
  mul_kernel(D{}, y.rows(), rows, matrix<const A>{dw.data(), rows.rows, rows.cols, 0});
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

HFT_COMPILED_IN(KERNELS, Tensor<f32, 1> add(const Tensor<f32, 1>&, const Tensor<f32, 1>&))
HFT_COMPILED_IN(KERNELS, Tensor<f32, 2> add(const Tensor<f32, 2>&, const Tensor<f32, 2>&))
HFT_COMPILED_IN(KERNELS, Tensor<f32, 3> add(const Tensor<f32, 3>&, const Tensor<f32, 3>&))
HFT_COMPILED_IN(KERNELS, Tensor<f32, 4> add(const Tensor<f32, 4>&, const Tensor<f32, 4>&))
HFT_COMPILED_IN(KERNELS, Tensor<f32, 2> mul(const Tensor<f32, 2>&, const Tensor<f32, 2>&))
HFT_COMPILED_IN(KERNELS, Tensor<f32, 3> mul(const Tensor<f32, 3>&, const Tensor<f32, 3>&))
HFT_COMPILED_IN(KERNELS, Tensor<f32, 4> mul(const Tensor<f32, 4>&, const Tensor<f32, 4>&))
HFT_COMPILED_IN(KERNELS, Tensor<f32, 3> mul_rows(const Tensor<f32, 3>&, const Tensor<f32, 1>&))
HFT_COMPILED_IN(KERNELS, Tensor<f32, 2> scale(const Tensor<f32, 2>&, f64))
HFT_COMPILED_IN(KERNELS, Tensor<f32, 3> scale(const Tensor<f32, 3>&, f64))
HFT_COMPILED_IN(KERNELS, Tensor<f32, 4> scale(const Tensor<f32, 4>&, f64))

}  // namespace hft
