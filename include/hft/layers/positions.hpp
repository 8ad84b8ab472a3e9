// How attention learns of order. A positions policy P is a type with
//   P(const AttentionOptions&)               one object for each attention layer
//   pair apply(q, k, context) const          on queries and keys (B,T,H,D)
//   Tensor<f32, 1, D> slopes<D>() const      ALiBi's, or empty
#pragma once
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include <hft/layers/attention_options.hpp>
#include <hft/layers/context.hpp>
#include <hft/ops/rotary.hpp>

namespace hft {

/// Order is known from elsewhere (learned embeddings), or not at all.
struct no_positions {
  explicit no_positions(const AttentionOptions&) {}
  template <class Q, class Context>
  std::pair<Q, Q> apply(const Q& q, const Q& k, const Context&) const {
    return {q, k};
  }
  template <BaseDevice D>
  Tensor<f32, 1, D> slopes() const {
    return {};
  }
};

/// Rotary positions (Su et al. 2021, arXiv 2104.09864) with all of Transformers' scaling kinds. Layers with equal
/// frequencies share one table of angles a pass.
class rope {
 public:
  /// Throws value_error without frequencies, or where they turn more elements than a head has.
  explicit rope(const AttentionOptions& o) : interleaved_(o.interleaved) {
    if (o.rotary) scaling_ = checked(o);
  }

  template <class Q, class Context>
  std::pair<Q, Q> apply(const Q& q, const Q& k, const Context& context) const {
    if (!scaling_) return {q, k};
    const auto& t = context.rotary->of(*scaling_, context.position_ids);
    return {apply_rotary(q, t.cos, t.sin, interleaved_), apply_rotary(k, t.cos, t.sin, interleaved_)};
  }
  template <BaseDevice D>
  Tensor<f32, 1, D> slopes() const {
    return {};
  }

 private:
  static const RopeScaling& checked(const AttentionOptions& o) {
    if (!o.rope) throw value_error("rope", "AttentionOptions::rope", "the frequencies of rotary positions", "none");
    if (o.rope->dim() > o.head_dim)
      throw value_error("rope", "AttentionOptions::rope",
                        detail::joined("at most head_dim = ", o.head_dim, " elements"), detail::joined(o.rope->dim()));
    return *o.rope;
  }

  std::optional<RopeScaling> scaling_;
  bool interleaved_;
};

/// Linear biases (Press et al. 2021, arXiv 2108.12409): head h adds slope_h * (key position - query position) to its
/// scores.
class alibi {
 public:
  explicit alibi(const AttentionOptions& o) : heads_(o.num_heads), options_(o.alibi) {}

  template <class Q, class Context>
  std::pair<Q, Q> apply(const Q& q, const Q& k, const Context&) const {
    return {q, k};
  }
  /// 2^(-8/n), 2^(-16/n), ... for n heads, n a power of two; for other n the paper's interleaving of two such
  /// sequences, or what the options say.
  template <BaseDevice D>
  Tensor<f32, 1, D> slopes() const {
    isize n = 1;
    while (2 * n <= heads_) n *= 2;
    const bool doubled = options_.from_next_power && n < heads_;
    const auto slope = [&](isize i, isize of) {
      return f32(options_.factor * std::exp2(-options_.bias_max * f64(i) / f64(of)));
    };
    std::vector<f32> s;
    if (doubled)
      for (isize i = 2; i <= 2 * n; i += 2) s.push_back(slope(i, 2 * n));
    else
      for (isize i = 1; i <= n; ++i) s.push_back(slope(i, n));
    for (isize i = 1; isize(s.size()) < heads_; i += 2) s.push_back(slope(i, 2 * n));
    return Tensor<f32, 1, D>::from(s, {heads_});
  }

 private:
  isize heads_;
  AlibiOptions options_;
};

HFT_COMPILED_IN(MODELS, Tensor<f32, 1> alibi::slopes<cpu>() const)

}  // namespace hft
