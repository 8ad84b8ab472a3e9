// Adagrad: each element's learning rate shrinks with the squares of its gradients (Duchi et al. 2011).
#pragma once
#include <hft/train/optimizers/elementwise.hpp>

namespace hft {

///   g += weight_decay * p
///   s += g^2
///   p -= lr / (1 + (t - 1) lr_decay) * g / (sqrt(s) + eps)
/// (torch.optim.Adagrad)
struct AdagradRule {
  f64 lr_decay = 0, eps = 1e-10, weight_decay = 0;

  static constexpr std::string_view name = "Adagrad";
  static constexpr std::size_t max_states = 1;
  std::vector<rule_state> states() const { return {{"sum", false}}; }

  template <class V>
  auto kernel(i64 step, f64 lr, bool decays) const {
    return [decay = V::set(f32(decays ? weight_decay : 0)), e = V::set(f32(eps)),
            size = V::set(f32(-lr / (1 + f64(step - 1) * lr_decay)))](V& p, V g, std::array<V, 1>& s) {
      g = fma(decay, p, g);
      s[0] = fma(g, g, s[0]);
      p = fma(size, g / (sqrt(s[0]) + e), p);
    };
  }
};

using Adagrad = ElementwiseOptimizer<AdagradRule>;

}  // namespace hft
