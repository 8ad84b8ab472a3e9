// Products with block formats where one activation is far larger than the others, as in transformers: what shares its
// group must not be lost. Against the f64 product of the weights' own values, whatever the kernel.
#include <hft/ops/linear.hpp>

#include <algorithm>
#include <cmath>
#include <random>
#include <tuple>
#include <vector>

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_SUITE(linear_outliers)

namespace {

using namespace hft;
using block_formats = std::tuple<q4_0, q4_1, q5_0, q5_1, q8_0, q4_k, q5_k, q6_k, nf4>;

std::vector<f32> normal_values(isize n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<f32> normal;
  std::vector<f32> values(static_cast<std::size_t>(n));
  for (f32& v : values) v = normal(random);
  return values;
}

}  // namespace

BOOST_AUTO_TEST_CASE_TEMPLATE(the_neighbours_of_an_outlier_count, W, block_formats) {
  const isize N = 40, K = 512;
  const std::vector<f32> source = normal_values(N * K, 1);
  std::vector<typename dtype<W>::storage> units(std::size_t(N * K / dtype<W>::block));
  convert(dtype<W>::id, units.data(), dtype_id::f32, source.data(), N * K);
  std::vector<f32> weights(std::size_t(N * K));
  convert(dtype_id::f32, weights.data(), dtype<W>::id, units.data(), N * K);
  for (isize M = 1; M <= 9; ++M) BOOST_TEST_CONTEXT("M " << M) {
      std::vector<f32> x = normal_values(M * K, 2);
      for (isize t = 0; t < M; ++t) x[std::size_t(t * K + (37 * t + 5) % K)] = 40;
      std::vector<f32> y(std::size_t(M * N));
      linear_kernel(cpu{}, matrix<f32>{y.data(), M, N, N}, matrix<const f32>{x.data(), M, K, K},
                    weight_matrix<W>{units.data(), N, K, K / dtype<W>::block}, nullptr, K);
      f64 worst = 0, largest = 0;
      for (isize t = 0; t < M; ++t)
        for (isize n = 0; n < N; ++n) {
          f64 sum = 0;
          for (isize k = 0; k < K; ++k) sum += f64(x[std::size_t(t * K + k)]) * weights[std::size_t(n * K + k)];
          largest = std::max(largest, std::fabs(sum));
          const f64 off = std::fabs(f64(y[std::size_t(t * N + n)]) - sum);
          worst = std::isfinite(off) ? std::max(worst, off) : INFINITY;
        }
      BOOST_TEST(worst <= 2e-4 * largest);
    }
}

BOOST_AUTO_TEST_SUITE_END()
