// Pooler: one vector for a sequence, from its first token.
#pragma once
#include <hft/layers/linear.hpp>
#include <hft/ops/activation.hpp>

namespace hft {

struct PoolerOptions {
  isize hidden_size;
  isize output_size = hidden_size;
  Activation activation = Activation::tanh;
};

/// f(dense(x)) of the first token; BERT's f is tanh. Checkpoint name: dense.
template <class B>
class Pooler {
 public:
  explicit Pooler(const PoolerOptions& o) : dense(o.hidden_size, o.output_size, true), activation_(o.activation) {}

  /// (B,T,C) => (B,P)
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
