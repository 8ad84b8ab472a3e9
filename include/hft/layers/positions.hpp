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
    const auto [cos, sin] = cos_and_sin(context.position_ids);
    context.cos = to_device<typename D::base>(converted<A>(cos));
    context.sin = to_device<typename D::base>(converted<A>(sin));
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
  // cos and sin (B*T, R/2) of the angles at positions (B,T), in f32, as Transformers computes them.
  std::pair<Tensor<f32, 2>, Tensor<f32, 2>> cos_and_sin(const Tensor<i64, 2>& position_ids) const;

  template <Scalar A>
  static Tensor<A, 2> converted(const Tensor<f32, 2>& x) {
    if constexpr (std::is_same_v<A, f32>) {
      return x;
    } else {
      Tensor<A, 2> y(x.shape());
      std::copy_n(x.data(), x.size(), y.data());
      return y;
    }
  }

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

#if HFT_DEFINES(MODELS)

HFT_INLINE std::pair<Tensor<f32, 2>, Tensor<f32, 2>> rope::cos_and_sin(const Tensor<i64, 2>& position_ids) const {
  const auto ids = position_ids.dense();
  const isize rows = ids.size();
  isize longest = 0;
  for (isize r = 0; r < rows; ++r) longest = std::max<isize>(longest, ids.data()[r] + 1);
  const auto [frequencies, factor] = scaling_.frequencies(longest);
  const isize R2 = isize(frequencies.size());
  Tensor<f32, 2> cos({rows, R2}), sin({rows, R2});
  for (isize r = 0; r < rows; ++r)
    for (isize i = 0; i < R2; ++i) {
      const f32 angle = f32(ids.data()[r]) * frequencies[std::size_t(i)];
      cos.data()[r * R2 + i] = std::cos(angle) * f32(factor);
      sin.data()[r * R2 + i] = std::sin(angle) * f32(factor);
    }
  return {cos, sin};
}

#endif  // HFT_DEFINES

}  // namespace hft
