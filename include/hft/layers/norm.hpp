// RMSNorm and LayerNorm. Their weights are held in the activation dtype whatever the model's weight dtype is.
#pragma once
#include <hft/layers/build.hpp>
#include <hft/layers/channels.hpp>
#include <hft/module.hpp>
#include <hft/ops/elementwise.hpp>
#include <hft/ops/layer_norm.hpp>
#include <hft/ops/rms_norm.hpp>

namespace hft {

struct NormOptions {
  isize size;
  f64 eps = 1e-5;
  bool bias = true;               // LayerNorm only
  bool weight = true;             // else there is no parameter at all
  bool weight_from_zero = false;  // whether the weight is the distance from 1 (Gemma, Nemotron)
  bool statistics = true;         // LayerNorm only: false: x times weight plus bias, as it comes (MobileBERT)
};

namespace detail {

/// The weight of a norm, whatever it is stored as.
template <class B>
class norm_weight {
 public:
  using parameter = typename B::template parameter<typename B::activation, 1>;

  explicit norm_weight(const NormOptions& o) : size(o.size), trained(o.weight), from_zero(o.weight_from_zero) {
    using A = typename B::activation;
    if (!trained || from_zero) ones = parameter(Tensor<A, 1, typename B::base>::filled({o.size}, A(1)));
  }
  /// What rows are multiplied by (C).
  parameter of(const parameter& weight) const { return !trained ? ones : from_zero ? add(weight, ones) : weight; }

  isize size;
  bool trained, from_zero;
  parameter ones;  // a constant, where it is needed
};

}  // namespace detail

/// Zhang & Sennrich 2019, arXiv 1910.07467. Checkpoint name: weight.
template <class B>
class RMSNorm {
 public:
  explicit RMSNorm(const NormOptions& o) : eps_(o.eps), kind_(o) {
    if (o.weight) weight = decltype(weight)::unallocated({o.size});
  }

  /// (..., C) => (..., C)
  template <class X>
  X operator()(const X& x) const {
    return with_extent<B>(kind_.size, [&](auto c) { return rms_norm(x, kind_.of(weight), eps_, c); });
  }
  void visit(visitor& v) {
    if (kind_.trained) v("weight", weight);
  }

  typename detail::norm_weight<B>::parameter weight;  // (C), or empty

 private:
  f64 eps_;
  detail::norm_weight<B> kind_;
};

/// Ba, Kiros & Hinton 2016, arXiv 1607.06450. Checkpoint names: weight, bias.
template <class B>
class LayerNorm {
 public:
  explicit LayerNorm(const NormOptions& o) : eps_(o.eps), kind_(o), statistics_(o.statistics) {
    if (o.weight) weight = decltype(weight)::unallocated({o.size});
    if (o.weight && o.bias) bias = decltype(bias)::unallocated({o.size});
  }

  /// (..., C) => (..., C)
  template <class X>
  X operator()(const X& x) const {
    if (!statistics_) return add_row(mul_rows(x, weight), bias);
    return with_extent<B>(kind_.size, [&](auto c) { return layer_norm(x, kind_.of(weight), bias, eps_, c); });
  }
  void visit(visitor& v) {
    if (kind_.trained) v("weight", weight);
    if (bias.extent(0)) v("bias", bias);
  }

  typename detail::norm_weight<B>::parameter weight, bias;  // (C), or empty

 private:
  f64 eps_;
  detail::norm_weight<B> kind_;
  bool statistics_;
};

}  // namespace hft
