// Tokens set to zero.
#include <hft/ops/mask_tokens.hpp>

#include "gradient_testing.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(masked_tokens)

BOOST_AUTO_TEST_CASE(by_hand) {
  const auto x = Tensor<f32, 3>::from({1, 2, 3, 4, 5, 6, 7, 8}, {2, 2, 2});
  const auto y = mask_tokens(x, Tensor<u8, 2>::from({0, 1, 1, 0}, {2, 2}));
  const auto expected = {0, 0, 3, 4, 5, 6, 0, 0};
  BOOST_CHECK_EQUAL_COLLECTIONS(y.data(), y.data() + y.size(), expected.begin(), expected.end());
  BOOST_TEST(x.data()[0] == 1);
}

BOOST_AUTO_TEST_CASE(gradients) {
  const auto mask = Tensor<u8, 2>::from({0, 1, 1, 1, 1, 0}, {2, 3});
  check_gradients([&](const auto& x) { return mask_tokens(x, mask); }, random_values<3>({2, 3, 5}, 1));
}

BOOST_AUTO_TEST_CASE(errors) {
  BOOST_CHECK_EXCEPTION(
      mask_tokens(Tensor<f32, 3>::zeros({2, 3, 4}), Tensor<u8, 2>::zeros({2, 4})), shape_error, [](const error& e) {
        return std::string(e.what()) == "[mask_tokens] mask: expected (2, 3), one value for each token, got (2, 4)";
      });
}

BOOST_AUTO_TEST_SUITE_END()
