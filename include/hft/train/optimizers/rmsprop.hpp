// RMSprop: gradients divided by a running root mean square (Tieleman & Hinton 2012; Graves 2013, arXiv 1308.0850).
#pragma once
#include <hft/train/optimizers/elementwise.hpp>

namespace hft {

///   g += weight_decay * p
///   v = alpha v + (1 - alpha) g^2,   a = alpha a + (1 - alpha) g
///   u = g / (sqrt(centered ? v - a^2 : v) + eps)
///   b = momentum b + u
///   p -= lr * (momentum ? b : u)
/// (torch.optim.RMSprop)
struct RMSpropRule {
  f64 alpha = 0.99, eps = 1e-8, momentum = 0, weight_decay = 0;
  bool centered = false;

  static constexpr std::string_view name = "RMSprop";
  static constexpr std::size_t max_states = 3;
  std::vector<rule_state> states() const {
    std::vector<rule_state> out{{"square_avg", true}};
    if (momentum != 0) out.push_back({"momentum_buffer", true});
    if (centered) out.push_back({"grad_avg", true});
    return out;
  }

  template <class V>
  auto kernel(i64, f64 lr, bool decays) const {
    return [decay = V::set(f32(decays ? weight_decay : 0)), a = V::set(f32(alpha)), c = V::set(f32(1 - alpha)),
            e = V::set(f32(eps)), mu = V::set(f32(momentum)), size = V::set(f32(-lr)), with_momentum = momentum != 0,
            with_mean = centered](V& p, V g, std::array<V, 3>& s) {
      g = fma(decay, p, g);
      s[0] = fma(a, s[0], c * g * g);
      V square = s[0];
      if (with_mean) {
        V& mean = s[with_momentum ? 2 : 1];
        mean = fma(a, mean, c * g);
        square = square - mean * mean;
      }
      g = g / (sqrt(square) + e);
      if (with_momentum) g = s[1] = fma(mu, s[1], g);
      p = fma(size, g, p);
    };
  }
};

using RMSprop = ElementwiseOptimizer<RMSpropRule>;

}  // namespace hft
