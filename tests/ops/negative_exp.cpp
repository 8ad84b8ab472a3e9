// -e^x and its derivative.
#include <hft/ops/negative_exp.hpp>

#include "gradient_testing.hpp"
#include "kernel_testing.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(negative_exponentials)

BOOST_AUTO_TEST_CASE(follows_its_definition) {
  for (const isize cols : testing::widths) {
    const testing::strided x(3, cols, 2, 1, -20, 20);
    testing::strided y(3, cols, 1, 2);
    negative_exp_kernel(cpu{}, y.view(), x.view());
    for (isize i = 0; i < 3; ++i)
      for (isize j = 0; j < cols; ++j)
        BOOST_REQUIRE_SMALL(f64(y.view().row(i)[j]) / -std::exp(f64(x.view().row(i)[j])) - 1, 3e-7);
    BOOST_TEST(y.intact());
  }
}

BOOST_AUTO_TEST_CASE(gradients) {
  check_gradients([](const auto& x) { return negative_exp(x); }, random_values<2>({3, 19}, 1));
  check_gradients([](const auto& x) { return add(negative_exp(x), negative_exp(x)); }, random_values<2>({3, 19}, 1));
}

BOOST_AUTO_TEST_SUITE_END()
