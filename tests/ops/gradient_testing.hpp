// Checks an op's gradients: in f64 against central differences, and in f32, whose kernels are vectorised, against f64.
#pragma once
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <tuple>
#include <vector>

#include <hft/ops/autodiff.hpp>
#include <hft/ops/cpu/f64.hpp>
#include <hft/random.hpp>

namespace hft::test {

template <class T, std::size_t R>
using tracked = Tensor<T, R, autodiff<cpu>>;

/// Values away from 0 by at least `margin`, where some activations have a corner.
template <std::size_t R>
Tensor<f64, R> random_values(const Shape<R>& shape, std::uint64_t seed, f64 spread = 1, f64 margin = 0) {
  Tensor<f64, R> t(shape);
  const random_stream stream(seed);
  for (isize i = 0; i < t.size(); ++i) {
    const f64 x = spread * stream.normal(std::uint64_t(i));
    t.data()[i] = x + (x < 0 ? -margin : margin);
  }
  return t;
}

template <class T, std::size_t R>
Tensor<T, R> as(const Tensor<f64, R>& x) {
  Tensor<T, R> y(x.shape());
  const auto dense = x.dense();
  for (isize i = 0; i < y.size(); ++i) y.data()[i] = T(dense.data()[i]);
  return y;
}

/// f takes leaves (in f64 or f32) and returns one tensor of any rank.
template <class F, std::size_t... R>
void check_gradients(F f, const Tensor<f64, R>&... values) {
  std::tuple leaves{tracked<f64, R>::leaf(values.clone())...};
  const auto y = std::apply(f, leaves);
  const auto seed = random_values(y.shape(), 99);
  const auto weighted = [&] {  // sum(y * seed)
    const no_grad guard;
    const auto now = std::apply(f, leaves).value().dense();
    f64 sum = 0;
    for (isize i = 0; i < now.size(); ++i) sum += now.data()[i] * seed.data()[i];
    return sum;
  };
  backward(y, seed);

  std::tuple leaves32{tracked<f32, R>::leaf(as<f32>(values))...};
  backward(std::apply(f, leaves32), as<f32>(seed));

  const auto check = [&](int index, const auto& leaf, const auto& leaf32) {
    BOOST_TEST_CONTEXT("argument " << index << " " << detail::shape_text(leaf.shape())) {
      const auto g = leaf.grad();
      const auto g32 = leaf32.grad();
      BOOST_TEST_REQUIRE((g && g32));
      f64 largest = 1e-2, worst = 0, worst32 = 0;  // values are near 1: below that there is rounding
      for (isize i = 0; i < g.size(); ++i) {
        f64& x = leaf.value().data()[i];
        const f64 before = x, h = 1e-5;
        x = before + h;
        const f64 above = weighted();
        x = before - h;
        const f64 below = weighted();
        x = before;
        largest = std::max(largest, std::abs(g.data()[i]));
        worst = std::max(worst, std::abs(g.data()[i] - (above - below) / (2 * h)));
        worst32 = std::max(worst32, std::abs(f64(g32.data()[i]) - g.data()[i]));
      }
      BOOST_TEST(worst <= 1e-7 * largest + 1e-8, "off by " << worst << ", largest value " << largest);
      BOOST_TEST(worst32 <= 1e-4 * largest, "f32 off by " << worst32 << ", largest value " << largest);
    }
  };
  [&]<std::size_t... I>(std::index_sequence<I...>) { (check(int(I), std::get<I>(leaves), std::get<I>(leaves32)), ...); }
  (std::index_sequence_for<Tensor<f64, R>...>{});
}

}  // namespace hft::test
