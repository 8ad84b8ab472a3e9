// xIELU: by its definition on both sides, its gradients.
#include <hft/ops/xielu.hpp>

#include "gradient_testing.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(learned_activation)

namespace {
Tensor<f32, 1> number(f32 x) { return Tensor<f32, 1>::filled({1}, x); }
}  // namespace

BOOST_AUTO_TEST_CASE(as_defined) {
  constexpr f64 p = 0.7, n = 1.3, beta = 0.5, eps = -1e-6;
  const auto x = random_values<2>({5, 19}, 1, 2);
  const auto y = xielu(as<f32>(x), number(p), number(n), number(beta), number(eps));
  for (isize i = 0; i < y.size(); ++i) {
    const f64 v = x.data()[i];
    const f64 expected = (v > 0 ? p * v * v : n * (std::expm1(std::min(v, eps)) - v)) + beta * v;
    BOOST_TEST(std::abs(f64(y.data()[i]) - expected) < 1e-5 * (1 + std::abs(expected)));
  }
}

BOOST_AUTO_TEST_CASE(gradients) {
  check_gradients(
      [](const auto& x, const auto& p, const auto& n) {
        using A = typename std::decay_t<decltype(x)>::dtype_t;
        const auto of = [](f64 v) { return Tensor<A, 1>::filled({1}, A(v)); };
        return xielu(x, p, n, of(0.5), of(-1e-6));
      },
      random_values<2>({3, 19}, 1, 1, 0.01), Tensor<f64, 1>::filled({1}, 0.7), Tensor<f64, 1>::filled({1}, 1.3));
}

BOOST_AUTO_TEST_SUITE_END()
