// clamp, and mul_rows: values, strides, gradients.
#include <hft/ops/clamp.hpp>
#include <hft/ops/elementwise.hpp>

#include "gradient_testing.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(clamp_of_elements)

BOOST_AUTO_TEST_CASE(stays_between) {
  const auto x = Tensor<f32, 2>::from({-INFINITY, -2, -1, 0.5f, 1, 3, INFINITY, NAN}, {2, 4});
  const auto y = clamp(x, -1, 1);
  const f32 expected[] = {-1, -1, -1, 0.5f, 1, 1, 1};
  for (isize i = 0; i < 7; ++i) BOOST_TEST(y.data()[i] == expected[i]);
  BOOST_TEST(std::isnan(y.data()[7]));
  const auto part = clamp(x.slice(1, 1, 3), -1.5, 1);  // rows at a distance
  BOOST_TEST(part.data()[0] == -1.5f);
  BOOST_TEST(part.data()[2] == 1.0f);
}

BOOST_AUTO_TEST_CASE(rows_times_a_vector) {
  const auto x = Tensor<f32, 2>::from({1, 2, 3, 4, 5, 6}, {2, 3}), w = Tensor<f32, 2>::from({2, 10, -1, 0}, {1, 4});
  const auto y = mul_rows(x, w.slice(1, 0, 3).reshape<1>({3}));
  const f32 expected[] = {2, 20, -3, 8, 50, -6};
  for (isize i = 0; i < 6; ++i) BOOST_TEST(y.data()[i] == expected[i]);
  BOOST_CHECK_THROW(mul_rows(x, Tensor<f32, 1>::filled({2}, 1.0f)), shape_error);
}

BOOST_AUTO_TEST_CASE(gradients) {
  check_gradients([](const auto& x) { return clamp(x, -0.7, 0.6); }, random_values<2>({3, 19}, 1));
  check_gradients([](const auto& x) { return add(clamp(x, -0.7, 0.6), clamp(x, -0.2, 2)); },
                  random_values<2>({3, 19}, 2));
  check_gradients([](const auto& x, const auto& w) { return mul_rows(x, w); }, random_values<2>({5, 19}, 1),
                  random_values<1>({19}, 2));
  check_gradients([](const auto& x, const auto& w) { return add(mul_rows(x, w), mul_rows(x, w)); },
                  random_values<2>({5, 7}, 1), random_values<1>({7}, 2));
}

BOOST_AUTO_TEST_SUITE_END()
