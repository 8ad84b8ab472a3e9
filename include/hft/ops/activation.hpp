// activate: f(x); gated: f(gate) * up, the middle of a gated MLP (Shazeer 2020, arXiv 2002.05202).
#pragma once
#include <hft/ops/activation_kind.hpp>
#include <hft/ops/cpu/activation.hpp>
#include <hft/ops/elementwise.hpp>
#include <hft/tensor.hpp>

namespace hft {

/// The activation f, element by element.
template <Scalar A, std::size_t R, BaseDevice D>
Tensor<A, R, D> activate(const Tensor<A, R, D>& x, Activation f) {
  const auto dense = x.collapsible();
  Tensor<A, R, D> y(x.shape());
  activation_kernel(D{}, y.rows(), matrix<const A>(dense.rows()), f);
  return y;
}

/// f(gate) * up; throws shape_error unless their shapes are equal.
template <Scalar A, std::size_t R, BaseDevice D>
Tensor<A, R, D> gated(const Tensor<A, R, D>& gate, const Tensor<A, R, D>& up, Activation f) {
  detail::check_same_shape("gated", gate, up);
  const auto g = gate.collapsible(), u = up.collapsible();
  Tensor<A, R, D> y(gate.shape());
  gated_activation_kernel(D{}, y.rows(), matrix<const A>(g.rows()), matrix<const A>(u.rows()), f);
  return y;
}

HFT_COMPILED_IN(KERNELS, Tensor<f32, 2> activate(const Tensor<f32, 2>&, Activation))
HFT_COMPILED_IN(KERNELS, Tensor<f32, 3> activate(const Tensor<f32, 3>&, Activation))
HFT_COMPILED_IN(KERNELS, Tensor<f32, 4> activate(const Tensor<f32, 4>&, Activation))
HFT_COMPILED_IN(KERNELS, Tensor<f32, 2> gated(const Tensor<f32, 2>&, const Tensor<f32, 2>&, Activation))
HFT_COMPILED_IN(KERNELS, Tensor<f32, 3> gated(const Tensor<f32, 3>&, const Tensor<f32, 3>&, Activation))
HFT_COMPILED_IN(KERNELS, Tensor<f32, 4> gated(const Tensor<f32, 4>&, const Tensor<f32, 4>&, Activation))

}  // namespace hft
