// Sequences one behind another.
#include <hft/ops/concat_tokens.hpp>

#include "gradient_testing.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(concatenated_tokens)

BOOST_AUTO_TEST_CASE(by_hand) {
  const auto a = Tensor<f32, 3>::from({1, 2, 7, 8}, {2, 1, 2});
  const auto b = Tensor<f32, 3>::from({3, 4, 5, 6, 9, 10, 11, 12}, {2, 2, 2});
  const auto y = concat_tokens(a, b);
  BOOST_TEST((y.shape() == Shape<3>{2, 3, 2}));
  for (isize i = 0; i < 12; ++i) BOOST_TEST(y.data()[i] == f32(i + 1));
  const auto part = concat_tokens(b.slice(1, 1, 2), a);  // of a view
  const f32 expected[] = {5, 6, 1, 2, 11, 12, 7, 8};
  for (isize i = 0; i < 8; ++i) BOOST_TEST(part.data()[i] == expected[i]);
}

BOOST_AUTO_TEST_CASE(gradients) {
  const auto other = random_values<3>({2, 4, 5}, 2);
  const auto constant = [&]<class X>(const X&) {
    Tensor<typename X::dtype_t, 3> y(other.shape());
    std::copy_n(other.data(), other.size(), y.data());
    return X(y);
  };
  check_gradients([&](const auto& x) { return concat_tokens(x, constant(x)); }, random_values<3>({2, 3, 5}, 1));
  check_gradients([&](const auto& x) { return concat_tokens(constant(x), x); }, random_values<3>({2, 3, 5}, 1));
  check_gradients([&](const auto& x) { return concat_tokens(x, x); }, random_values<3>({2, 3, 5}, 1));
}

BOOST_AUTO_TEST_CASE(errors) {
  BOOST_CHECK_EXCEPTION(
      concat_tokens(Tensor<f32, 3>::zeros({2, 3, 4}), Tensor<f32, 3>::zeros({2, 3, 5})), shape_error,
      [](const error& e) {
        return std::string(e.what()) ==
               "[concat_tokens] expected two tensors of equal rows and channels, got (2, 3, 4) and (2, 3, 5)";
      });
}

BOOST_AUTO_TEST_SUITE_END()
