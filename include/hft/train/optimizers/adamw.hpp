// AdamW: Adam with decoupled weight decay (Loshchilov & Hutter 2017, arXiv 1711.05101).
#pragma once
#include <hft/train/optimizers/elementwise.hpp>

namespace hft {

///   p -= lr * weight_decay * p
///   m = beta1 m + (1 - beta1) g,   v = beta2 v + (1 - beta2) g^2
///   p -= lr / (1 - beta1^t) * m / (sqrt(v / (1 - beta2^t)) + eps)
/// With amsgrad the largest v so far stands for v (Reddi et al. 2018, arXiv 1904.09237). (torch.optim.AdamW)
struct AdamWRule {
  f64 beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.01;
  bool amsgrad = false;

  static constexpr std::string_view name = "AdamW";
  static constexpr std::size_t max_states = 3;
  std::vector<rule_state> states() const {
    std::vector<rule_state> out{{"exp_avg", true}, {"exp_avg_sq", false}};
    if (amsgrad) out.push_back({"max_exp_avg_sq", false});
    return out;
  }

  template <class V>
  auto kernel(i64 step, f64 lr, bool decays) const {
    const f64 correction1 = 1 - std::pow(beta1, f64(step)), correction2 = 1 - std::pow(beta2, f64(step));
    return
        [keep = V::set(f32(decays ? 1 - lr * weight_decay : 1)), b1 = V::set(f32(1 - beta1)), b2 = V::set(f32(beta2)),
         c2 = V::set(f32(1 - beta2)), e = V::set(f32(eps)), size = V::set(f32(-lr / correction1)),
         root = V::set(f32(1 / std::sqrt(correction2))), largest = amsgrad](V& p, V g, std::array<V, max_states>& s) {
          s[0] = fma(b1, g - s[0], s[0]);
          s[1] = fma(b2, s[1], c2 * g * g);
          if (largest) s[2] = select(less(s[2], s[1]), s[1], s[2]);
          p = fma(size, s[0] / fma(sqrt(largest ? s[2] : s[1]), root, e), p * keep);
        };
  }
};

using AdamW = ElementwiseOptimizer<AdamWRule>;

}  // namespace hft
