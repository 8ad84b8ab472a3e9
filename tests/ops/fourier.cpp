// The Fourier transform of sequences: by its definition, of a part of a tensor, its gradient.
#include <hft/ops/fourier.hpp>

#include "gradient_testing.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(fourier_transform)

namespace {
// The real part of the sum over t and c of x(t,c) e^(-2 pi i (t u / T + c v / C)).
f64 by_definition(const Tensor<f64, 3>& x, isize b, isize u, isize v) {
  const isize T = x.extent(1), C = x.extent(2);
  f64 sum = 0;
  for (isize t = 0; t < T; ++t)
    for (isize c = 0; c < C; ++c)
      sum += x.data()[(b * T + t) * C + c] * std::cos(2 * M_PI * (f64(t * u) / f64(T) + f64(c * v) / f64(C)));
  return sum;
}
}  // namespace

BOOST_AUTO_TEST_CASE(as_defined) {
  for (const auto& shape : {Shape<3>{2, 7, 12}, Shape<3>{1, 1, 5}, Shape<3>{2, 16, 1}, Shape<3>{1, 9, 19}}) {
    const auto x = random_values<3>(shape, 1);
    const auto y = fourier(as<f32>(x));
    for (isize b = 0; b < shape[0]; ++b)
      for (isize u = 0; u < shape[1]; ++u)
        for (isize v = 0; v < shape[2]; ++v)
          BOOST_TEST(std::abs(f64(y.data()[(b * shape[1] + u) * shape[2] + v]) - by_definition(x, b, u, v)) < 2e-4);
  }
}

BOOST_AUTO_TEST_CASE(of_a_part) {
  const auto x = as<f32>(random_values<3>({2, 6, 10}, 1)).slice(2, 1, 8);
  const auto y = fourier(x), z = fourier(x.dense());
  for (isize i = 0; i < y.size(); ++i) BOOST_TEST(y.data()[i] == z.data()[i]);
}

BOOST_AUTO_TEST_CASE(gradients) {
  check_gradients([](const auto& x) { return fourier(x); }, random_values<3>({2, 5, 7}, 1, 0.2));
}

BOOST_AUTO_TEST_SUITE_END()
