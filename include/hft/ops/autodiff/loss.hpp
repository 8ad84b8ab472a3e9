// The losses on a device that records. Their gradients are computed with their values, so that logits live no longer
// than they must, and wait in the node.
#pragma once
#include <hft/autodiff.hpp>
#include <hft/ops/autodiff/linear.hpp>
#include <hft/ops/cross_entropy.hpp>
#include <hft/ops/elementwise.hpp>

namespace hft {

namespace detail {

// g times the gradient of the loss, which is 1 unless the loss was scaled.
template <class Edge, class A, std::size_t R, BaseDevice D>
void send_scaled(const Edge& edge, const Tensor<A, R, D>& g, A factor) {
  if (edge) send(edge, factor == A(1) ? g : scale(g, f64(factor)));
}

template <class A, BaseDevice D, class Edge>
Tensor<A, 1, autodiff<D>> record_loss(const char* op, loss_and_gradients<A, D> l, const Edge& edge) {
  return record(
      op, l.loss, [edge, g = l.x](const auto& dy) { send_scaled(edge, g, dy.data()[0]); }, edge);
}

}  // namespace detail

template <Scalar A, BaseDevice D>
Tensor<A, 1, autodiff<D>> cross_entropy(const Tensor<A, 2, autodiff<D>>& logits, const std::vector<i64>& labels,
                                        const CrossEntropyOptions& options = {}) {
  const auto e = detail::edge(logits);
  return detail::record_loss("cross_entropy",
                             detail::cross_entropy(logits.value().collapsible(), labels, options, bool(e)), e);
}

template <Scalar A, class W, class Bias, BaseDevice D>
Tensor<A, 1, autodiff<D>> linear_cross_entropy(const Tensor<A, 2, autodiff<D>>& hidden, const W& weight,
                                               const Bias& bias, const std::vector<i64>& labels,
                                               const CrossEntropyOptions& options = {}) {
  if constexpr (detail::is_master<W>)
    if (detail::casts(weight))
      return detail::with_autocast([&]<class H>(std::type_identity<H>) {
        return linear_cross_entropy(hidden, cast<H>(weight), bias, labels, options);
      });
  const auto ex = detail::edge(hidden);
  const auto ew = detail::edge(weight);
  const auto eb = detail::edge(bias);
  auto l = detail::linear_cross_entropy<detail::is_half_master<W>>(
      hidden.value().collapsible(), value(weight), value(bias), labels, options, {bool(ex), bool(ew), bool(eb)});
  return detail::record(
      "linear_cross_entropy", l.loss,
      [ex, ew, eb, l](const auto& dy) {
        const A factor = dy.data()[0];
        detail::send_scaled(ex, l.x, factor);
        detail::send_scaled(ew, l.weight, factor);
        detail::send_scaled(eb, l.bias, factor);
      },
      ex, ew, eb);
}

template <Scalar A, BaseDevice D>
Tensor<A, 1, autodiff<D>> mse_loss(const Tensor<A, 2, autodiff<D>>& x, const Tensor<f32, 2, D>& target) {
  return detail::record_loss("mse_loss", detail::elementwise_loss("mse_loss", x.value(), target, detail::squared_error),
                             detail::edge(x));
}

template <Scalar A, BaseDevice D>
Tensor<A, 1, autodiff<D>> l1_loss(const Tensor<A, 2, autodiff<D>>& x, const Tensor<f32, 2, D>& target) {
  return detail::record_loss("l1_loss", detail::elementwise_loss("l1_loss", x.value(), target, detail::absolute_error),
                             detail::edge(x));
}

template <Scalar A, BaseDevice D>
Tensor<A, 1, autodiff<D>> bce_with_logits(const Tensor<A, 2, autodiff<D>>& x, const Tensor<f32, 2, D>& target) {
  return detail::record_loss("bce_with_logits",
                             detail::elementwise_loss("bce_with_logits", x.value(), target, detail::logistic_error),
                             detail::edge(x));
}

}  // namespace hft
