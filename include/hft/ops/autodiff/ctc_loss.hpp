// ctc_loss on a device that records. Opt-in: ops/autodiff.hpp does not bring it. The gradient is computed with the
// value and waits in the node, as those of the other losses (ops/autodiff/loss.hpp).
#pragma once
#include <algorithm>

#include <hft/autodiff.hpp>
#include <hft/ops/ctc_loss.hpp>

namespace hft {

/// What flows to log_probs is the gradient of the logits that log_softmax made them of, p - p(given the target), as
/// torch.nn.functional.ctc_loss has it: its rows sum to 0, so log_softmax passes it on as it is.
template <Scalar A, BaseDevice D>
Tensor<A, 1, autodiff<D>> ctc_loss(const Tensor<A, 3, autodiff<D>>& log_probs, const Tensor<i64, 2>& targets,
                                   const std::vector<i64>& input_lengths, const std::vector<i64>& target_lengths,
                                   const CTCLossOptions& options = {}) {
  const auto e = detail::edge(log_probs);
  auto l = detail::ctc_loss(log_probs.value(), targets, input_lengths, target_lengths, options, bool(e));
  return detail::record(
      "ctc_loss", l.loss,
      [e, g = l.gradient](const auto& dy) {
        const isize T = g.extent(0), B = g.extent(1), C = g.extent(2);
        const Tensor<A, 3, D> dx(g.shape());
        for (isize i = 0; i < T * B; ++i) {
          const A factor = dy.data()[dy.size() == 1 ? 0 : i % B];
          std::transform(g.data() + i * C, g.data() + (i + 1) * C, dx.data() + i * C, [=](A x) { return x * factor; });
        }
        detail::send(e, dx);
      },
      e);
}

}  // namespace hft
