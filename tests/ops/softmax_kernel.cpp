// Softmax: every instruction set against the plain oracle, fractions that can be redone by hand, infinities.
#include <hft/ops/cpu/softmax.hpp>

#include "kernel_testing.hpp"

using namespace hft;
using namespace hft::testing;

BOOST_AUTO_TEST_SUITE(softmax_kernels)

BOOST_AUTO_TEST_CASE_TEMPLATE(every_width_equals_the_oracle, Tag, isa_tags) {
  for (const isize cols : widths)
    for (const f32 size : {1.0f, 60.0f})  // with 60, exponentials range over 52 orders of magnitude
      BOOST_TEST_CONTEXT("cols " << cols << " size " << size) {
        const strided x(6, cols, 3, 1, -size, size);
        strided y(6, cols, 2, 3), expected(6, cols, 2, 3);
        softmax_kernel(isa::generic{}, expected.view(), x.view());
        softmax_kernel(Tag{}, y.view(), x.view());
        BOOST_TEST(largest_difference(y.view(), expected.view()) <= 3e-7f);
        BOOST_TEST(y.intact());
        strided in_place = x;
        softmax_kernel(Tag{}, in_place.view(), in_place.view());
        BOOST_TEST(largest_difference(in_place.view(), y.view()) == 0.0f);
      }
}

// softmax(log w) = w / sum(w): 1/8, 2/8, 5/8; and adding a constant changes nothing.
BOOST_AUTO_TEST_CASE_TEMPLATE(fractions_by_hand, Tag, isa_tags) {
  for (const f32 shift : {0.0f, 1000.0f, -1000.0f}) {
    f32 x[] = {shift, std::log(2.0f) + shift, std::log(5.0f) + shift};
    const matrix<f32> row{x, 1, 3, 3};
    softmax_kernel(Tag{}, row, row);
    const f32 expected[] = {0.125f, 0.25f, 0.625f};
    for (int i = 0; i < 3; ++i)
      BOOST_TEST(x[i] == expected[i], boost::test_tools::tolerance(shift == 0 ? 1e-6f : 1e-4f));
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(minus_infinity_weighs_nothing_and_far_values_underflow_to_zero, Tag, isa_tags) {
  for (const isize cols : {3, 20, 40}) {
    std::vector<f32> x(std::size_t(cols), -INFINITY);
    x[1] = 5, x[2] = -300;
    const matrix<f32> row{x.data(), 1, cols, cols};
    softmax_kernel(Tag{}, row, row);
    for (isize i = 0; i < cols; ++i) BOOST_REQUIRE(x[std::size_t(i)] == (i == 1 ? 1.0f : 0.0f));
  }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(a_row_of_minus_infinity_is_nan_as_in_pytorch, Tag, isa_tags) {
  std::vector<f32> x(20, -INFINITY);
  const matrix<f32> row{x.data(), 1, 20, 20};
  softmax_kernel(Tag{}, row, row);
  for (const f32 v : x) BOOST_REQUIRE(std::isnan(v));
}

BOOST_AUTO_TEST_SUITE_END()
