// Pooler: one vector for a sequence, from its first token.
#pragma once
#include <hft/layers/linear.hpp>
#include <hft/ops/activation.hpp>

namespace hft {

struct PoolerOptions {
  isize hidden_size;
  isize output_size = hidden_size;
  Activation activation = Activation::tanh;
  bool projects = true;  // else it is the token as it comes, and there are no parameters (MobileBERT)
};

/// f(dense(x)) of the first token; BERT's f is tanh. Checkpoint name: dense.
template <class B>
class Pooler {
 public:
  explicit Pooler(const PoolerOptions& o)
      : dense(o.hidden_size, o.output_size, true), activation_(o.activation), projects_(o.projects) {}

  /// (B,T,C) => (B,P)
  template <class X>
  auto operator()(const X& x) const {
    const auto first = x.slice(1, 0, 1).template reshape<2>({x.extent(0), x.extent(2)});
    return projects_ ? activate(dense(first), activation_) : first.dense();
  }
  void visit(visitor& v) {
    if (projects_) v("dense", dense);
  }
  bool projects() const { return projects_; }

  typename B::linear dense;

 private:
  Activation activation_;
  bool projects_;
};

}  // namespace hft
