// round_rows: values, strides, and the gradient that goes straight through.
#include <hft/ops/autodiff/round_rows.hpp>
#include <hft/ops/round_rows.hpp>

#include "gradient_testing.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(rounded_rows)

BOOST_AUTO_TEST_CASE(whole_parts_of_the_largest) {
  // The largest magnitudes are 127, so that a part is 1: halves go to the even neighbour.
  const auto x = Tensor<f32, 2>::from({127, 0.5f, 1.5f, -2.5f, -127, 0.4f, 126.6f, -0.6f}, {2, 4});
  const auto y = round_rows(x);
  const f32 expected[] = {127, 0, 2, -2, -127, 0, 127, -1};
  for (isize i = 0; i < 8; ++i) BOOST_TEST(y.data()[i] == expected[i]);
}

BOOST_AUTO_TEST_CASE(each_row_has_its_own) {
  const auto x = Tensor<f32, 2>::from({1, 3, 0.011f, 9, 100, -12.7f, 0.26f, 9, 0, 0, 0, 9}, {3, 4});
  const auto y = round_rows(x.slice(1, 0, 3));  // rows at a distance
  const f32 part = 3.0f / 127;
  BOOST_TEST(std::abs(y.data()[0] - 42 * part) < 1e-6f);
  BOOST_TEST(std::abs(y.data()[1] - 3) < 1e-6f);
  BOOST_TEST(y.data()[2] == 0);  // less than half a part
  BOOST_TEST(std::abs(y.data()[3] - 100) < 1e-5f);
  BOOST_TEST(std::abs(y.data()[4] + 16 * 100.0f / 127) < 1e-5f);
  for (isize i = 5; i < 9; ++i) BOOST_TEST(y.data()[i] == 0);
  BOOST_TEST(round_rows(Tensor<f32, 2>({0, 4})).size() == 0);
}

BOOST_AUTO_TEST_CASE(its_gradient_goes_straight_through) {
  const auto x = tracked<f32, 2>::leaf(as<f32>(random_values<2>({3, 5}, 1)));
  const auto dy = Tensor<f32, 2>::from({1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {3, 5});
  backward(round_rows(x), dy);
  for (isize i = 0; i < 15; ++i) BOOST_TEST(x.grad().data()[i] == dy.data()[i]);
}

BOOST_AUTO_TEST_SUITE_END()
