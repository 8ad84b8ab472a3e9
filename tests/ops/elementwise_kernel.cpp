// Sums, products, multiples: every instruction set gives the bits of the oracle, in place too.
#include <hft/ops/cpu/elementwise.hpp>

#include "kernel_testing.hpp"

using namespace hft;
using namespace hft::testing;

BOOST_AUTO_TEST_SUITE(elementwise_kernels)

BOOST_AUTO_TEST_CASE_TEMPLATE(bits_of_the_oracle, Tag, isa_tags) {
  for (const isize cols : widths) BOOST_TEST_CONTEXT("cols " << cols) {
      const strided a(7, cols, 3, 1), b(7, cols, 1, 2);
      strided y(7, cols, 2, 3), expected(7, cols, 2, 3);
      const auto check = [&](const char* op, auto call) {
        BOOST_TEST_CONTEXT(op) {
          call(isa::generic{}, expected.view(), a.view());
          call(Tag{}, y.view(), a.view());
          BOOST_TEST((y.memory == expected.memory));  // the gaps between the rows too
          strided in_place = a;
          call(Tag{}, in_place.view(), in_place.view());
          BOOST_TEST(largest_difference(in_place.view(), y.view()) == 0.0f);
        }
      };
      check("add", [&](auto tag, matrix<f32> out, matrix<const f32> in) { add_kernel(tag, out, in, b.view()); });
      check("mul", [&](auto tag, matrix<f32> out, matrix<const f32> in) { mul_kernel(tag, out, in, b.view()); });
      check("scale", [&](auto tag, matrix<f32> out, matrix<const f32> in) { scale_kernel(tag, out, in, 0.3f); });
    }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(values_by_hand, Tag, isa_tags) {
  const f32 a[] = {1, 2, 3}, b[] = {10, 20, 30};
  f32 y[3];
  const matrix<const f32> left{a, 1, 3, 3}, right{b, 1, 3, 3};
  const matrix<f32> out{y, 1, 3, 3};
  add_kernel(Tag{}, out, left, right);
  BOOST_TEST((y[0] == 11 && y[1] == 22 && y[2] == 33));
  mul_kernel(Tag{}, out, left, right);
  BOOST_TEST((y[0] == 10 && y[1] == 40 && y[2] == 90));
  scale_kernel(Tag{}, out, left, -2);
  BOOST_TEST((y[0] == -2 && y[1] == -4 && y[2] == -6));
}

// Enough rows for several threads.
BOOST_AUTO_TEST_CASE(rows_are_split_over_threads_without_gaps) {
  const int before = num_threads();
  const strided a(1000, 300, 1, 1), b(1000, 300, 0, 2);
  strided y(1000, 300, 2, 3), expected(1000, 300, 2, 3);
  add_kernel(isa::generic{}, expected.view(), a.view(), b.view());
  for (const int n : {1, 3}) {
    set_num_threads(n);
    add_kernel(cpu{}, y.view(), a.view(), b.view());
    BOOST_TEST((y.memory == expected.memory));
  }
  set_num_threads(before);
}

BOOST_AUTO_TEST_SUITE_END()
