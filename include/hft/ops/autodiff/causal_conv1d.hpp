// causal_conv1d on a device that records. States are constants: no gradient flows from one part of a sequence to the
// one before.
#pragma once
#include <utility>

#include <hft/autodiff.hpp>
#include <hft/ops/causal_conv1d.hpp>
#include <hft/ops/cpu/linear_backward.hpp>

namespace hft {

template <Scalar A, BaseDevice D>
std::pair<Tensor<A, 3, autodiff<D>>, Tensor<A, 3, D>> causal_conv1d(const Tensor<A, 3, autodiff<D>>& x,
                                                                    const Tensor<A, 2, autodiff<D>>& weight,
                                                                    const Tensor<A, 1, autodiff<D>>& bias = {},
                                                                    const Tensor<A, 3, D>& state = {}) {
  const auto ex = detail::edge(x);
  const auto ew = detail::edge(weight);
  const auto eb = detail::edge(bias);
  auto [y, last] = causal_conv1d(x.value(), weight.value(), bias.value(), state);
  auto recorded = detail::record(
      "causal_conv1d", std::move(y),
      [=, shape = x.shape(), w = weight.value(),
       in = detail::causal_conv1d_inputs<A, D>(x.value(), weight.extent(1), state)](const auto& dy) {
        const matrix<const A> g = dy.rows();
        if (ex)
          ex->accumulate_by(shape, [&](const auto& dx, bool add) {
            causal_conv1d_input_gradient_kernel(D{}, dx.rows(), g, matrix<const A>(w.rows()), shape[1], add);
          });
        if (ew)
          ew->accumulate_by(w.shape(), [&](const auto& dw, bool add) {
            causal_conv1d_weight_gradient_kernel(D{}, dw.rows(), g, in.view(), add);
          });
        if (eb)
          eb->accumulate_by(Shape<1>{g.cols},
                            [&](const auto& db, bool add) { column_sums_kernel(D{}, db.data(), g, add); });
      },
      ex, ew, eb);
  return {std::move(recorded), std::move(last)};
}

}  // namespace hft
