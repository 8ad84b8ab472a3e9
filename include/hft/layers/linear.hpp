// Linear: y = x W^T + b, with the weight in any dtype.
#pragma once
#include <array>
#include <type_traits>

#include <hft/layers/build.hpp>
#include <hft/module.hpp>
#include <hft/ops/linear.hpp>

namespace hft {

/// torch.nn.Linear: weight (out, in), bias (out). Checkpoint names: weight, bias.
template <class B>
class Linear {
 public:
  Linear(isize in, isize out, bool has_bias = false)
      : weight(decltype(weight)::unallocated({out, in})), has_bias_(has_bias) {
    if (has_bias) bias = decltype(bias)::unallocated({out});
  }

  /// (..., in) => (..., out)
  template <class X>
  auto operator()(const X& x) const {
    return with_extent<B>(weight.extent(1), [&](auto k) { return linear(x, weight, bias, k); });
  }

  void visit(visitor& v) {
    v("weight", weight);
    if (has_bias_) v("bias", bias);
  }

  Tensor<typename B::weight, 2, typename B::base> weight;    // (out, in)
  Tensor<typename B::activation, 1, typename B::base> bias;  // (out), or empty

 private:
  bool has_bias_;
};

/// Conv1D of GPT-2 (transformers.pytorch_utils.Conv1D): a Linear whose checkpoint stores the weight as (in, out).
template <class B>
class Conv1D : public Linear<B> {
 public:
  Conv1D(isize in, isize out) : Linear<B>(in, out, true) {}
  void visit(visitor& v) {
    v.transposed("weight", this->weight);
    v("bias", this->bias);
  }
};

/// Applies several linear layers to one x; plain ones together, so that x is read once.
template <class X, class L, class... Ls>
requires(std::is_same_v<L, Ls>&&...) auto project(const X& x, const L& first, const Ls&... others) {
  if constexpr (requires(const L& l) { [](const auto& p) -> decltype(linear(x, p.weight, p.bias)) { return {}; }(l); })
    return linears(x, std::array{first.weight, others.weight...}, std::array{first.bias, others.bias...});
  else
    return std::array{first(x), others(x)...};
}

}  // namespace hft
