// XIELU: an activation with parameters (Huang & Schlag 2024, arXiv 2411.13010), and an MLP that may have it.
#pragma once
#include <optional>

#include <hft/layers/linear.hpp>
#include <hft/layers/mlp.hpp>
#include <hft/module.hpp>
#include <hft/ops/elementwise.hpp>
#include <hft/ops/softplus.hpp>
#include <hft/ops/xielu.hpp>

namespace hft {

/// Of x > 0, softplus(alpha_p) x^2 + beta x; else (beta + softplus(alpha_n)) (e^min(x, eps) - 1 - x) + beta x.
/// Checkpoint names: alpha_p, alpha_n, and those of two numbers that are not trained: beta, eps.
template <class B>
class XIELU {
 public:
  XIELU()
      : alpha_p(decltype(alpha_p)::unallocated({1})),
        alpha_n(decltype(alpha_n)::unallocated({1})),
        beta(decltype(beta)::unallocated({})),
        eps(decltype(eps)::unallocated({})) {}

  /// (..., C) => (..., C)
  template <class X>
  X operator()(const X& x) const {
    const auto offset = beta.template reshape<1>({1});
    return xielu(x, softplus(alpha_p), add(softplus(alpha_n), offset), offset, eps.template reshape<1>({1}));
  }
  void visit(visitor& v) {
    v("alpha_p", alpha_p);
    v("alpha_n", alpha_n);
    v("beta", beta);
    v("eps", eps);
  }

  typename B::template parameter<typename B::activation, 1> alpha_p, alpha_n;  // (1)
  Tensor<typename B::activation, 0, typename B::base> beta, eps;               // ()
};

/// An MLP whose activation may have parameters. Checkpoint names: up_proj, down_proj, act_fn.
template <class B>
class TrainedMLP {
 public:
  explicit TrainedMLP(const MLPOptions& o)
      : up_proj(o.hidden_size, o.intermediate_size, o.bias),
        down_proj(o.intermediate_size, o.hidden_size, o.bias),
        activation_(o.activation) {
    if (o.xielu) act_fn.emplace();
  }

  /// (B,T,C) => (B,T,C)
  template <class X>
  X operator()(const X& x) const {
    const X up = up_proj(x);
    return down_proj(act_fn ? (*act_fn)(up) : X(activate(up, activation_)));
  }
  void visit(visitor& v) {
    v("up_proj", up_proj);
    v("down_proj", down_proj);
    v("act_fn", act_fn);
  }

  typename B::column_linear up_proj;
  typename B::row_linear down_proj;
  std::optional<XIELU<B>> act_fn;

 private:
  Activation activation_;
};

}  // namespace hft
