// SGD: stochastic gradient descent with momentum (Sutskever et al. 2013), as PyTorch writes it.
#pragma once
#include <hft/train/optimizers/elementwise.hpp>

namespace hft {

///   g += weight_decay * p
///   b = g at the first step, else momentum b + (1 - dampening) g
///   p -= lr * (nesterov ? g + momentum b : b)
/// (torch.optim.SGD)
struct SGDRule {
  f64 momentum = 0, dampening = 0, weight_decay = 0;
  bool nesterov = false;

  static constexpr std::string_view name = "SGD";
  static constexpr std::size_t max_states = 1;
  std::vector<rule_state> states() const {
    return momentum != 0 ? std::vector<rule_state>{{"momentum_buffer", true}} : std::vector<rule_state>{};
  }

  template <class V>
  auto kernel(i64 step, f64 lr, bool decays) const {
    // The buffer is zero before the first step, which takes the whole gradient.
    return [decay = V::set(f32(decays ? weight_decay : 0)), mu = V::set(f32(momentum)),
            share = V::set(f32(step == 1 ? 1 : 1 - dampening)), size = V::set(f32(-lr)), with_momentum = momentum != 0,
            look_ahead = nesterov](V& p, V g, std::array<V, 1>& s) {
      g = fma(decay, p, g);
      if (with_momentum) {
        s[0] = fma(mu, s[0], share * g);
        g = look_ahead ? fma(mu, s[0], g) : s[0];
      }
      p = fma(size, g, p);
    };
  }
};

using SGD = ElementwiseOptimizer<SGDRule>;

}  // namespace hft
