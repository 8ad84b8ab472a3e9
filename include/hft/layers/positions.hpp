// How attention learns of order. A positions policy P is a type with
//   P(const Config&)                         reads config.attention(0) and, for rope, config.rope()
//   void prepare(ForwardContext<A, D>&)      once a forward pass
//   static pair apply(q, k, context)         on queries and keys (B,T,H,D)
//   Tensor<f32, 1, D> slopes(heads)          ALiBi's, or empty
#pragma once
#include <cmath>
#include <utility>
#include <vector>

#include <hft/layers/context.hpp>
#include <hft/layers/rope_scaling.hpp>
#include <hft/ops/rotary.hpp>

namespace hft {

/// Order is known from elsewhere (learned embeddings), or not at all.
struct no_positions {
  template <class Config>
  explicit no_positions(const Config&) {}
  template <class Context>
  void prepare(Context&) const {}
  template <class Q, class Context>
  static std::pair<Q, Q> apply(const Q& q, const Q& k, const Context&) {
    return {q, k};
  }
  template <BaseDevice D>
  static Tensor<f32, 1, D> slopes(isize) {
    return {};
  }
};

/// Rotary positions (Su et al. 2021, arXiv 2104.09864) with all of Transformers' scaling kinds.
class rope {
 public:
  template <class Config>
  explicit rope(const Config& config) : scaling_(config.rope()) {}

  template <Scalar A, Device D>
  void prepare(ForwardContext<A, D>& context) const {
    const auto ids = context.position_ids.dense();
    isize longest = 0;
    for (isize i = 0; i < ids.size(); ++i) longest = std::max<isize>(longest, ids.data()[i] + 1);
    const auto [frequencies, factor] = scaling_.frequencies(longest);
    const isize rows = ids.size(), R2 = isize(frequencies.size());
    std::vector<A> cos(std::size_t(rows * R2)), sin(cos.size());
    for (isize r = 0; r < rows; ++r)
      for (isize i = 0; i < R2; ++i) {
        const f32 angle = f32(ids.data()[r]) * frequencies[std::size_t(i)];  // f32, as Transformers computes it
        cos[std::size_t(r * R2 + i)] = A(std::cos(angle) * f32(factor));
        sin[std::size_t(r * R2 + i)] = A(std::sin(angle) * f32(factor));
      }
    context.cos = Tensor<A, 2, typename D::base>::from(cos, {rows, R2});
    context.sin = Tensor<A, 2, typename D::base>::from(sin, {rows, R2});
  }
  template <class Q, class Context>
  static std::pair<Q, Q> apply(const Q& q, const Q& k, const Context& context) {
    return {apply_rotary(q, context.cos, context.sin), apply_rotary(k, context.cos, context.sin)};
  }
  template <BaseDevice D>
  static Tensor<f32, 1, D> slopes(isize) {
    return {};
  }

 private:
  RopeScaling scaling_;
};

/// Linear biases (Press et al. 2021, arXiv 2108.12409): head h adds slope_h * (key position - query position) to its
/// scores.
struct alibi {
  template <class Config>
  explicit alibi(const Config&) {}
  template <class Context>
  void prepare(Context&) const {}
  template <class Q, class Context>
  static std::pair<Q, Q> apply(const Q& q, const Q& k, const Context&) {
    return {q, k};
  }
  /// 2^(-8/n), 2^(-16/n), ... for n heads, n a power of two; for other n the paper's interleaving of two such
  /// sequences.
  template <BaseDevice D>
  static Tensor<f32, 1, D> slopes(isize heads) {
    isize n = 1;
    while (2 * n <= heads) n *= 2;
    std::vector<f32> s;
    for (isize i = 1; i <= n; ++i) s.push_back(f32(std::exp2(-8.0 * f64(i) / f64(n))));
    for (isize i = 1; isize(s.size()) < heads; i += 2) s.push_back(f32(std::exp2(-4.0 * f64(i) / f64(n))));
    return Tensor<f32, 1, D>::from(s, {heads});
  }
};

}  // namespace hft
