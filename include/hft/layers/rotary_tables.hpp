// RotaryTables: cosines and sines of a pass's positions, computed once for all layers of equal frequencies.
#pragma once
#include <algorithm>
#include <cmath>
#include <list>
#include <type_traits>
#include <utility>
#include <vector>

#include <hft/layers/rope_scaling.hpp>
#include <hft/tensor.hpp>

namespace hft {

namespace detail {
/// cos and sin (B*T, R/2) of the angles at positions (B,T), in f32, as Transformers computes them.
std::pair<Tensor<f32, 2>, Tensor<f32, 2>> cos_and_sin(const RopeScaling& scaling, const Tensor<i64, 2>& position_ids);
/// The same of given frequencies, all multiplied by `factor`.
std::pair<Tensor<f32, 2>, Tensor<f32, 2>> cos_and_sin(const std::vector<f32>& frequencies, f64 factor,
                                                      const Tensor<i64, 2>& position_ids);
}  // namespace detail

/// What a table of angles that is a parameter begins with: in row p the sines of position p, then the cosines,
/// (rows,R).
void fill_rotary_table(const RopeScaling& scaling, isize rows, std::vector<f32>& values);

template <Scalar A, Device D>
class RotaryTables {
 public:
  struct table {
    RopeScaling scaling;
    Tensor<A, 2, typename D::base> cos, sin;  // (B*T, R/2)
    std::vector<f32> frequencies = {};        // in the place of those of the scaling
  };

  /// The table of these frequencies at positions (B,T), the same ones in every call.
  const table& of(const RopeScaling& scaling, const Tensor<i64, 2>& position_ids) {
    for (const table& t : tables_)
      if (t.scaling == scaling && t.frequencies == frequencies_) return t;
    const auto [cos, sin] = frequencies_.empty() ? detail::cos_and_sin(scaling, position_ids)
                                                 : detail::cos_and_sin(frequencies_, 1, position_ids);
    return tables_.emplace_back(table{scaling, on_device(cos), on_device(sin), frequencies_});
  }
  /// From here on frequencies are these, whatever a scaling says; none: as it says.
  void use(std::vector<f32> frequencies) { frequencies_ = std::move(frequencies); }

  /// Takes angles from elsewhere in the place of those of these frequencies: (B*T, R/2) each.
  void put(const RopeScaling& scaling, const Tensor<A, 2, typename D::base>& cos,
           const Tensor<A, 2, typename D::base>& sin) {
    tables_.push_back({scaling, cos, sin, {}});
  }

 private:
  static Tensor<A, 2, typename D::base> on_device(const Tensor<f32, 2>& x) {
    if constexpr (std::is_same_v<A, f32>) {
      return to_device<typename D::base>(x);
    } else {
      Tensor<A, 2> y(x.shape());
      std::copy_n(x.data(), x.size(), y.data());
      return to_device<typename D::base>(y);
    }
  }

  std::list<table> tables_;  // a list: what it returned stays where it is
  std::vector<f32> frequencies_;
};

#if HFT_DEFINES(MODELS)

HFT_INLINE std::pair<Tensor<f32, 2>, Tensor<f32, 2>> detail::cos_and_sin(const RopeScaling& scaling,
                                                                         const Tensor<i64, 2>& position_ids) {
  const auto ids = position_ids.dense();
  isize longest = 0;
  for (isize r = 0; r < ids.size(); ++r) longest = std::max<isize>(longest, ids.data()[r] + 1);
  const auto [frequencies, factor] = scaling.frequencies(longest);
  return cos_and_sin(frequencies, factor, ids);
}

HFT_INLINE std::pair<Tensor<f32, 2>, Tensor<f32, 2>> detail::cos_and_sin(const std::vector<f32>& frequencies,
                                                                         f64 factor,
                                                                         const Tensor<i64, 2>& position_ids) {
  const auto ids = position_ids.dense();
  const isize rows = ids.size(), R2 = isize(frequencies.size());
  Tensor<f32, 2> cos({rows, R2}), sin({rows, R2});
  for (isize r = 0; r < rows; ++r)
    for (isize i = 0; i < R2; ++i) {
      const f32 angle = f32(ids.data()[r]) * frequencies[std::size_t(i)];
      cos.data()[r * R2 + i] = std::cos(angle) * f32(factor);
      sin.data()[r * R2 + i] = std::sin(angle) * f32(factor);
    }
  return {cos, sin};
}

HFT_INLINE void fill_rotary_table(const RopeScaling& scaling, isize rows, std::vector<f32>& values) {
  Tensor<i64, 2> positions({1, rows});
  for (isize p = 0; p < rows; ++p) positions.data()[p] = p;
  const auto [cos, sin] = detail::cos_and_sin(scaling, positions);
  const isize R2 = cos.extent(1);
  for (isize p = 0; p < rows; ++p) {
    std::copy_n(sin.data() + p * R2, R2, values.begin() + p * 2 * R2);
    std::copy_n(cos.data() + p * R2, R2, values.begin() + p * 2 * R2 + R2);
  }
}

#endif  // HFT_DEFINES

HFT_COMPILED_IN(MODELS, class RotaryTables<f32, cpu>)

}  // namespace hft
