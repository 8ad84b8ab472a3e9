// Lion: the sign of a momentum (Chen et al. 2023, "Symbolic discovery of optimization algorithms", arXiv 2302.06675).
#pragma once
#include <hft/train/optimizers/elementwise.hpp>

namespace hft {

///   p -= lr * weight_decay * p
///   p -= lr * sign(beta1 m + (1 - beta1) g)
///   m = beta2 m + (1 - beta2) g
/// (bitsandbytes.optim.Lion)
struct LionRule {
  f64 beta1 = 0.9, beta2 = 0.99, weight_decay = 0;

  static constexpr std::string_view name = "Lion";
  static constexpr std::size_t max_states = 1;
  std::vector<rule_state> states() const { return {{"exp_avg", true}}; }

  template <class V>
  auto kernel(i64, f64 lr, bool decays) const {
    return [keep = V::set(f32(decays ? 1 - lr * weight_decay : 1)), b1 = V::set(f32(beta1)),
            c1 = V::set(f32(1 - beta1)), b2 = V::set(f32(beta2)), c2 = V::set(f32(1 - beta2)),
            size = V::set(f32(-lr))](V& p, V g, std::array<V, 1>& s) {
      p = fma(size, detail::sign(fma(b1, s[0], c1 * g)), p * keep);
      s[0] = fma(b2, s[0], c2 * g);
    };
  }
};

using Lion = ElementwiseOptimizer<LionRule>;

}  // namespace hft
