// FourierMixing: what stands in the place of attention in FNet (Lee-Thorp et al. 2021, arXiv 2105.03824).
#pragma once
#include <hft/module.hpp>
#include <hft/ops/fourier.hpp>

namespace hft {

struct FourierMixingOptions {};

/// The real part of the transform over tokens and channels. It has no parameters, and sees padding as any token.
class FourierMixing {
 public:
  using options = FourierMixingOptions;
  explicit FourierMixing(const FourierMixingOptions&) {}

  /// (B,T,C) => (B,T,C)
  template <class X, class Context>
  X operator()(const X& x, Context&) const {
    return fourier(x);
  }
  void visit(visitor&) {}
};

}  // namespace hft
