// Pooler: one vector for a sequence, from its first token.
#pragma once
#include <hft/layers/linear.hpp>
#include <hft/ops/activation.hpp>

namespace hft {

/// f(dense(x)) of the first token; BERT's f is tanh. Checkpoint name: dense.
template <class B>
class Pooler {
 public:
  explicit Pooler(isize hidden_size, Activation f = Activation::tanh)
      : dense(hidden_size, hidden_size, true), activation_(f) {}

  /// (B,T,C) => (B,C)
  template <class X>
  auto operator()(const X& x) const {
    const auto first = x.slice(1, 0, 1).template reshape<2>({x.extent(0), x.extent(2)});
    return activate(dense(first), activation_);
  }
  void visit(visitor& v) { v("dense", dense); }

  typename B::linear dense;

 private:
  Activation activation_;
};

}  // namespace hft
