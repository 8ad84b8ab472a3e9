// Biases of attention from a table of buckets.
#include <hft/ops/gather_bias.hpp>

#include "gradient_testing.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(gathered_biases)

BOOST_AUTO_TEST_CASE(by_hand) {
  const auto table = Tensor<f32, 2>::from({0, 10, 1, 11, 2, 12}, {3, 2});
  const auto buckets = Tensor<i64, 2>::from({2, 0, 0, 1, 2, 2}, {2, 3});
  const auto y = gather_bias(table, buckets);
  const auto expected = {2, 0, 0, 1, 2, 2, 12, 10, 10, 11, 12, 12};
  BOOST_TEST((y.shape() == Shape<4>{1, 2, 2, 3}));
  BOOST_CHECK_EQUAL_COLLECTIONS(y.data(), y.data() + y.size(), expected.begin(), expected.end());
  const auto transposed = gather_bias(table, buckets.slice(1, 1, 3));  // buckets with a stride
  BOOST_TEST((transposed.shape() == Shape<4>{1, 2, 2, 2}));
  BOOST_TEST(transposed.data()[7] == 12);
}

BOOST_AUTO_TEST_CASE(gradients) {
  const auto buckets = Tensor<i64, 2>::from({2, 0, 0, 4, 2, 2, 4, 0, 2, 2, 2, 2}, {3, 4});  // none in 1 and 3
  check_gradients([&](const auto& table) { return gather_bias(table, buckets); }, random_values<2>({5, 3}, 1));
  check_gradients([&](const auto& table) { return add(gather_bias(table, buckets), gather_bias(table, buckets)); },
                  random_values<2>({5, 3}, 1));
}

// A bucket of a million positions: a sum in f32 would stop growing at 2^24.
BOOST_AUTO_TEST_CASE(a_bucket_that_has_nearly_all_positions) {
  const isize T = 4200;
  const auto table = tracked<f32, 2>::leaf(Tensor<f32, 2>::zeros({2, 1}));
  backward(gather_bias(table, Tensor<i64, 2>::zeros({T, T})));
  BOOST_TEST(table.grad().data()[0] == f32(T * T));
  BOOST_TEST(table.grad().data()[1] == 0);
}

BOOST_AUTO_TEST_CASE(errors) {
  const auto table = Tensor<f32, 2>::zeros({3, 2});
  BOOST_CHECK_EXCEPTION(gather_bias(table, Tensor<i64, 2>::from({0, 1, 2, 3}, {2, 2})), value_error,
                        [](const error& e) {
                          return std::string(e.what()) ==
                                 "[gather_bias] bucket of query 1 and key 1: expected 0 <= bucket < 3 (rows of the "
                                 "table), got 3";
                        });
  BOOST_CHECK_THROW(gather_bias(table, Tensor<i64, 2>::from({-1}, {1, 1})), value_error);
}

BOOST_AUTO_TEST_SUITE_END()
