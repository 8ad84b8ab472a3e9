// Rows divided by their sums: values, strides, gradients.
#include <hft/ops/normalise_rows.hpp>

#include "gradient_testing.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(normalised_rows)

BOOST_AUTO_TEST_CASE(by_hand) {
  const auto x = Tensor<f32, 2>::from({1, 3, 9, 0.25f, 0.25f, 9}, {2, 3});
  const auto y = normalise_rows(x.slice(1, 0, 2), 1);  // rows at a distance, the second of less than 1
  const f32 expected[] = {0.25f, 0.75f, 0.25f, 0.25f};
  for (isize i = 0; i < 4; ++i) BOOST_TEST(y.data()[i] == expected[i]);
}

BOOST_AUTO_TEST_CASE(gradients) {
  auto above = random_values<2>({5, 3}, 1, 0.1);
  for (isize i = 0; i < above.size(); ++i) above.data()[i] += 1;
  check_gradients([](const auto& v) { return normalise_rows(v); }, above);
  check_gradients([](const auto& v) { return normalise_rows(v, 4); }, above);
  check_gradients([](const auto& v) { return add(normalise_rows(v), normalise_rows(v, 4)); }, above);
}

BOOST_AUTO_TEST_SUITE_END()
