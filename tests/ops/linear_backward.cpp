// Gradients of linear and linears, and of x through weights of every dtype.
#include <boost/test/unit_test.hpp>

#include <hft/quantization/convert.hpp>

#include "gradient_testing.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(linear_backward)

BOOST_AUTO_TEST_CASE(of_odd_shapes) {
  for (const auto& [M, K, N] : {std::array<isize, 3>{1, 1, 1}, {1, 33, 5}, {7, 19, 17}, {3, 8, 41}})
    check_gradients([](const auto& x, const auto& w, const auto& b) { return linear(x, w, b); },
                    random_values<3>({1, M, K}, 1), random_values<2>({N, K}, 2), random_values<1>({N}, 3));
}

BOOST_AUTO_TEST_CASE(without_a_bias) {
  check_gradients([](const auto& x, const auto& w) { return linear(x, w); }, random_values<2>({5, 7}, 1),
                  random_values<2>({3, 7}, 2));
}

BOOST_AUTO_TEST_CASE(of_a_strided_x) {
  check_gradients([](const auto& x, const auto& w) { return linear(x.slice(1, 3, 10), w); },
                  random_values<2>({5, 12}, 1), random_values<2>({3, 7}, 2));
}

BOOST_AUTO_TEST_CASE(of_several_products_of_one_x) {
  check_gradients(
      [](const auto& x, const auto& v, const auto& w, const auto& b) {
        const auto y = linears(x, std::array{v, w}, std::array{b, b});
        return mul(y[0], y[1]);
      },
      random_values<2>({5, 7}, 1), random_values<2>({3, 7}, 2), random_values<2>({3, 7}, 3), random_values<1>({3}, 4));
}

BOOST_AUTO_TEST_CASE(many_rows_are_split_over_threads) {
  const auto x = as<f32>(random_values<2>({600, 130}, 1)), w = as<f32>(random_values<2>({140, 130}, 2)),
             dy = as<f32>(random_values<2>({600, 140}, 3));
  const auto gradients = [&] {
    const auto xt = tracked<f32, 2>::leaf(x), wt = tracked<f32, 2>::leaf(w);
    backward(linear(xt, wt), dy);
    return std::pair{xt.grad(), wt.grad()};
  };
  const auto [dx, dw] = gradients();
  f64 worst = 0;
  for (isize i = 0; i < 600; i += 37)
    for (isize k = 0; k < 130; k += 11) {
      f64 sum = 0;
      for (isize n = 0; n < 140; ++n) sum += f64(dy.rows().row(i)[n]) * w.rows().row(n)[k];
      worst = std::max(worst, std::abs(sum - dx.rows().row(i)[k]));
    }
  for (isize n = 0; n < 140; n += 13)
    for (isize k = 0; k < 130; k += 11) {
      f64 sum = 0;
      for (isize i = 0; i < 600; ++i) sum += f64(dy.rows().row(i)[n]) * x.rows().row(i)[k];
      worst = std::max(worst, std::abs(sum - dw.rows().row(n)[k]));
    }
  BOOST_TEST(worst < 1e-3);
}

// What QLoRA trains through: dx of a frozen weight is dx of its dequantised values.
template <class W>
static void check_frozen() {
  BOOST_TEST_CONTEXT(name(dtype<W>::id)) {
    const isize M = 5, K = 512, N = 37;
    const auto x = as<f32>(random_values<2>({M, K}, 1)), dense = as<f32>(random_values<2>({N, K}, 2)),
               dy = as<f32>(random_values<2>({M, N}, 3));
    Tensor<W, 2> w({N, K});
    convert_rows(dtype<W>::id, w.data(), dtype_id::f32, dense.data(), N, K);
    Tensor<f32, 2> wide({N, K});
    convert_rows(dtype_id::f32, wide.data(), dtype<W>::id, w.data(), N, K);
    const auto gradient = [&](const auto& weight) {
      const auto leaf = tracked<f32, 2>::leaf(x);
      backward(linear(leaf, weight), dy);
      return leaf.grad();
    };
    const auto g = gradient(w), expected = gradient(wide);
    auto any = Tensor<any_q, 2>::wrap(w.memory(), w.data(), w.shape(), dtype<W>::id);
    const auto g_any = gradient(any);
    for (isize i = 0; i < g.size(); ++i) {
      BOOST_TEST(std::abs(g.data()[i] - expected.data()[i]) < 1e-3f);
      BOOST_TEST(g.data()[i] == g_any.data()[i]);
    }
  }
}

BOOST_AUTO_TEST_CASE(through_frozen_weights) {
  check_frozen<f16>();
  check_frozen<bf16>();
  check_frozen<q4_0>();
  check_frozen<q8_0>();
  check_frozen<q4_k>();
}

BOOST_AUTO_TEST_CASE(of_f32_masters_in_half_precision) {
  const auto x = as<f32>(random_values<2>({3, 40}, 1)), w = as<f32>(random_values<2>({5, 40}, 2));
  const auto xt = tracked<f32, 2>::leaf(x), wt = tracked<f32, 2>::leaf(w);
  const auto y = linear(xt, cast<bf16>(wt));
  backward(y);
  for (isize k = 0; k < 40; ++k) {
    f32 column = 0, rows = 0;
    for (isize n = 0; n < 5; ++n) column += f32(bf16(w.data()[n * 40 + k]));
    for (isize m = 0; m < 3; ++m) rows += f32(bf16(x.data()[m * 40 + k]));  // x is rounded, too
    BOOST_TEST(xt.grad().data()[k] == column, boost::test_tools::tolerance(1e-4f));
    BOOST_TEST(wt.grad().data()[k] == rows, boost::test_tools::tolerance(1e-4f));
  }
}

BOOST_AUTO_TEST_SUITE_END()
