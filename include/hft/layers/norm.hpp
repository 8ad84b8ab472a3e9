// RMSNorm and LayerNorm. Their weights are held in the activation dtype whatever the model's weight dtype is.
#pragma once
#include <hft/layers/build.hpp>
#include <hft/module.hpp>
#include <hft/ops/layer_norm.hpp>
#include <hft/ops/rms_norm.hpp>

namespace hft {

struct NormOptions {
  isize size;
  f64 eps = 1e-5;
  bool bias = true;  // LayerNorm only
};

/// Zhang & Sennrich 2019, arXiv 1910.07467. Checkpoint name: weight.
template <class B>
class RMSNorm {
 public:
  explicit RMSNorm(const NormOptions& o) : weight(decltype(weight)::unallocated({o.size})), eps_(o.eps) {}

  /// (..., C) => (..., C)
  template <class X>
  X operator()(const X& x) const {
    return with_extent<B>(weight.extent(0), [&](auto c) { return rms_norm(x, weight, eps_, c); });
  }
  void visit(visitor& v) { v("weight", weight); }

  typename B::template parameter<typename B::activation, 1> weight;  // (C)

 private:
  f64 eps_;
};

/// Ba, Kiros & Hinton 2016, arXiv 1607.06450. Checkpoint names: weight, bias.
template <class B>
class LayerNorm {
 public:
  explicit LayerNorm(const NormOptions& o) : weight(decltype(weight)::unallocated({o.size})), eps_(o.eps) {
    if (o.bias) bias = decltype(bias)::unallocated({o.size});
  }

  /// (..., C) => (..., C)
  template <class X>
  X operator()(const X& x) const {
    return with_extent<B>(weight.extent(0), [&](auto c) { return layer_norm(x, weight, bias, eps_, c); });
  }
  void visit(visitor& v) {
    v("weight", weight);
    if (bias.extent(0)) v("bias", bias);
  }

  typename B::template parameter<typename B::activation, 1> weight, bias;  // (C), (C) or empty

 private:
  f64 eps_;
};

}  // namespace hft
