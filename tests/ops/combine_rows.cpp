// take_rows and combine_rows: values, gradients, errors.
#include <hft/ops/combine_rows.hpp>
#include <hft/ops/take_rows.hpp>

#include "gradient_testing.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(rows_of_experts)

BOOST_AUTO_TEST_CASE(rows_are_taken_and_put_together) {
  const auto x = Tensor<f32, 2>::from({1, 2, 3, 4, 5, 6}, {3, 2});
  const auto y = take_rows(x, {2, 0, 2});
  const f32 taken[] = {5, 6, 1, 2, 5, 6};
  BOOST_TEST(std::equal(taken, taken + 6, y.data()));
  BOOST_TEST(take_rows(x, {}).extent(0) == 0);
  // Two tokens, two experts each: place 2 n + j.
  const auto weights = Tensor<f32, 2>::from({0.5f, 2, 10, 1}, {2, 2});
  const auto sums = combine_rows<f32, cpu>({y, x.slice(0, 1, 2)}, {{3, 0, 2}, {1}}, weights);
  const f32 expected[] = {0.5f * 1 + 2 * 3, 0.5f * 2 + 2 * 4, 10 * 5 + 5, 10 * 6 + 6};
  for (isize i = 0; i < 4; ++i) BOOST_TEST(sums.data()[i] == expected[i]);
  const auto scaled = scale_rows(x, Tensor<f32, 2>::from({2, 0, -1}, {3, 1}));
  const f32 rows[] = {2, 4, 0, 0, -5, -6};
  BOOST_TEST(std::equal(rows, rows + 6, scaled.data()));
}

BOOST_AUTO_TEST_CASE(gradients) {
  check_gradients([](const auto& x) { return take_rows(x, {2, 0, 2, 1}); }, random_values<2>({4, 5}, 1));
  check_gradients(
      [](const auto& a, const auto& b, const auto& w) {
        return combine_rows(std::vector{a, b}, {{3, 0, 5}, {1, 2}}, w);  // and no row at place 4
      },
      random_values<2>({3, 19}, 1), random_values<2>({2, 19}, 2), random_values<2>({3, 2}, 3));
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_refused) {
  const auto x = Tensor<f32, 2>::filled({2, 3}, 1.0f), w = Tensor<f32, 2>::filled({1, 2}, 1.0f);
  BOOST_CHECK_THROW(take_rows(x, {2}), shape_error);
  BOOST_CHECK_THROW(take_rows(x, {-1}), shape_error);
  BOOST_CHECK_THROW((combine_rows<f32, cpu>({x}, {{0}}, w)), shape_error);
  BOOST_CHECK_THROW((combine_rows<f32, cpu>({x}, {{0, 2}}, w)), shape_error);
  BOOST_CHECK_THROW((combine_rows<f32, cpu>({x}, {}, w)), shape_error);
  BOOST_CHECK_THROW(scale_rows(x, w), shape_error);
}

BOOST_AUTO_TEST_SUITE_END()
