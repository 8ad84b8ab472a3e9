// softplus: against its definition in f64, every instruction set, its derivative.
#include <hft/ops/softplus.hpp>

#include "gradient_testing.hpp"
#include "kernel_testing.hpp"

using namespace hft;
using namespace hft::test;
using namespace hft::testing;

BOOST_AUTO_TEST_SUITE(softplus_of_elements)

BOOST_AUTO_TEST_CASE_TEMPLATE(follows_its_definition, Tag, isa_tags) {
  for (const isize cols : widths) BOOST_TEST_CONTEXT("cols " << cols) {
      const strided x(3, cols, 2, 1, -30, 30);
      strided y(3, cols, 1, 2);
      softplus_kernel(Tag{}, y.view(), x.view());
      for (isize i = 0; i < 3; ++i)
        for (isize j = 0; j < cols; ++j) {
          const f64 e = std::log1p(std::exp(f64(x.view().row(i)[j])));
          BOOST_REQUIRE_SMALL(f64(y.view().row(i)[j]) / e - 1, 5e-7);
        }
      BOOST_TEST(y.intact());
    }
}

BOOST_AUTO_TEST_CASE(far_from_zero) {
  const auto x = Tensor<f32, 1>::from({-INFINITY, -1000, 0, 20, 21, 1e30f, INFINITY, NAN}, {8});
  const auto y = softplus(x);
  for (const isize i : {0, 1}) BOOST_TEST(y[i] == 0);
  BOOST_TEST(y[2] == 0.69314718f, boost::test_tools::tolerance(1e-6f));
  for (const isize i : {3, 4, 5}) BOOST_TEST(y[i] == x[i]);
  BOOST_TEST(y[6] == INFINITY);
  BOOST_TEST(std::isnan(y[7]));
}

BOOST_AUTO_TEST_CASE(gradients) {
  check_gradients([](const auto& x) { return softplus(x); }, random_values<2>({3, 19}, 1, 4));
  check_gradients([](const auto& x) { return add(softplus(x), softplus(x)); }, random_values<2>({3, 19}, 1));
}

BOOST_AUTO_TEST_SUITE_END()
