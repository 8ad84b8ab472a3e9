// RMSNorm and LayerNorm: every instruction set against the plain oracle, and rows that can be redone by hand.
#include <hft/ops/cpu/norm.hpp>

#include "kernel_testing.hpp"

using namespace hft;
using namespace hft::testing;

BOOST_AUTO_TEST_SUITE(norm_kernels)

namespace {
constexpr f32 tolerance = 2e-6f;  // of results up to some 5: sums of up to 1000 terms in another order
}

BOOST_AUTO_TEST_CASE_TEMPLATE(rms_norm_equals_the_oracle, Tag, isa_tags) {
  for (const isize cols : widths) BOOST_TEST_CONTEXT("cols " << cols) {
      const strided x(5, cols, 3, 1, -2, 2), w(1, cols, 0, 2);
      strided y(5, cols, 2, 3), expected(5, cols, 2, 3);
      rms_norm_kernel(isa::generic{}, expected.view(), x.view(), w.memory.data(), 1e-6f, cols);
      rms_norm_kernel(Tag{}, y.view(), x.view(), w.memory.data(), 1e-6f, cols);
      BOOST_TEST(largest_difference(y.view(), expected.view()) <= tolerance);
      BOOST_TEST(y.intact());
    }
}

BOOST_AUTO_TEST_CASE_TEMPLATE(layer_norm_equals_the_oracle, Tag, isa_tags) {
  for (const isize cols : widths)
    for (const bool biased : {false, true}) BOOST_TEST_CONTEXT("cols " << cols << " biased " << biased) {
        const strided x(5, cols, 3, 1, -2, 2), w(1, cols, 0, 2), b(1, cols, 0, 4);
        const f32* bias = biased ? b.memory.data() : nullptr;
        strided y(5, cols, 2, 3), expected(5, cols, 2, 3);
        layer_norm_kernel(isa::generic{}, expected.view(), x.view(), w.memory.data(), bias, 1e-5f, cols);
        layer_norm_kernel(Tag{}, y.view(), x.view(), w.memory.data(), bias, 1e-5f, cols);
        BOOST_TEST(largest_difference(y.view(), expected.view()) <= tolerance);
        BOOST_TEST(y.intact());
      }
}

// (3, 4): mean of squares 12.5. (1, 3): mean 2, variance 1.
BOOST_AUTO_TEST_CASE_TEMPLATE(rows_by_hand, Tag, isa_tags) {
  const f32 x[] = {3, 4}, z[] = {1, 3}, w[] = {1, 2}, b[] = {10, 20};
  f32 y[2];
  const matrix<f32> out{y, 1, 2, 2};
  rms_norm_kernel(Tag{}, out, matrix<const f32>{x, 1, 2, 2}, w, 0.0f, isize(2));
  BOOST_TEST(y[0] == 3 / std::sqrt(12.5f), boost::test_tools::tolerance(1e-6f));
  BOOST_TEST(y[1] == 8 / std::sqrt(12.5f), boost::test_tools::tolerance(1e-6f));
  layer_norm_kernel(Tag{}, out, matrix<const f32>{z, 1, 2, 2}, w, b, 0.0f, isize(2));
  BOOST_TEST(y[0] == 9.0f);
  BOOST_TEST(y[1] == 22.0f);
}

// A mean far from zero: the mean of squares minus the square of the mean would lose all digits.
BOOST_AUTO_TEST_CASE_TEMPLATE(layer_norm_keeps_a_small_variance, Tag, isa_tags) {
  std::vector<f32> x(64), w(64, 1), y(64);
  for (std::size_t i = 0; i < 64; ++i) x[i] = i % 2 ? 4097 : 4095;  // mean 4096, variance 1
  layer_norm_kernel(Tag{}, matrix<f32>{y.data(), 1, 64, 64}, matrix<const f32>{x.data(), 1, 64, 64}, w.data(), nullptr,
                    0.0f, isize(64));
  for (std::size_t i = 0; i < 64; ++i) BOOST_REQUIRE(y[i] == (i % 2 ? 1.0f : -1.0f));
}

BOOST_AUTO_TEST_CASE_TEMPLATE(in_place_gives_the_same_bits, Tag, isa_tags) {
  const strided x(40, 576, 0, 1), w(1, 576, 0, 2), b(1, 576, 0, 4);
  strided y(40, 576, 0, 3), in_place = x;
  rms_norm_kernel(Tag{}, y.view(), x.view(), w.memory.data(), 1e-6f, isize(576));
  rms_norm_kernel(Tag{}, in_place.view(), in_place.view(), w.memory.data(), 1e-6f, isize(576));
  BOOST_TEST((y.memory == in_place.memory));
  in_place = x;
  layer_norm_kernel(Tag{}, y.view(), x.view(), w.memory.data(), b.memory.data(), 1e-6f, isize(576));
  layer_norm_kernel(Tag{}, in_place.view(), in_place.view(), w.memory.data(), b.memory.data(), 1e-6f, isize(576));
  BOOST_TEST((y.memory == in_place.memory));
}

// Another extent type is other code: the compiler may contract a product and a sum in one and not in the other.
BOOST_AUTO_TEST_CASE_TEMPLATE(a_constant_extent_gives_the_same_rows, Tag, isa_tags) {
  const strided x(40, 576, 0, 1), w(1, 576, 0, 2), b(1, 576, 0, 4);
  strided y(40, 576, 0, 3), expected(40, 576, 0, 3);
  rms_norm_kernel(Tag{}, expected.view(), x.view(), w.memory.data(), 1e-6f, isize(576));
  rms_norm_kernel(Tag{}, y.view(), x.view(), w.memory.data(), 1e-6f, Int<576>{});
  BOOST_TEST(largest_difference(y.view(), expected.view()) <= tolerance);
  layer_norm_kernel(Tag{}, expected.view(), x.view(), w.memory.data(), b.memory.data(), 1e-6f, isize(576));
  layer_norm_kernel(Tag{}, y.view(), x.view(), w.memory.data(), b.memory.data(), 1e-6f, Int<576>{});
  BOOST_TEST(largest_difference(y.view(), expected.view()) <= tolerance);
}

BOOST_AUTO_TEST_SUITE_END()
