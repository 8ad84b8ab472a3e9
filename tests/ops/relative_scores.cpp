// Scores of relative positions: by their definition for queries and keys, gradients, errors.
#include <hft/ops/relative_scores.hpp>

#include "gradient_testing.hpp"

using namespace hft;
using namespace hft::test;

BOOST_AUTO_TEST_SUITE(scores_of_relative_positions)

namespace {

constexpr isize B = 2, T = 3, S = 5, H = 2, C = 19, P = 4;

// Rows of some pairs; of others none.
Tensor<i64, 3> index(isize rows) {
  Tensor<i64, 3> at({rows, T, S});
  for (isize i = 0; i < at.size(); ++i) at.data()[i] = (i * 7 + i / S) % (P + 1) - 1;
  return at;
}

}  // namespace

BOOST_AUTO_TEST_CASE(as_defined) {
  for (const scored who : {scored::queries, scored::keys})
    for (const isize index_rows : {isize(1), B}) {
      const isize N = who == scored::queries ? T : S;
      const auto x = random_values<4>({B, N, H, C}, 1);
      const auto rows = random_values<3>({P, H, C}, 2);
      const auto at = index(index_rows);
      const auto y = relative_scores(as<f32>(x), as<f32>(rows), at, who);
      for (isize b = 0; b < B; ++b)
        for (isize h = 0; h < H; ++h)
          for (isize t = 0; t < T; ++t)
            for (isize s = 0; s < S; ++s) {
              const isize row = at.data()[((index_rows == 1 ? 0 : b) * T + t) * S + s];
              f64 expected = 0;
              for (isize c = 0; row >= 0 && c < C; ++c)
                expected += x.data()[((b * N + (who == scored::queries ? t : s)) * H + h) * C + c] *
                            rows.data()[(row * H + h) * C + c];
              BOOST_TEST(std::abs(f64(y.data()[((b * H + h) * T + t) * S + s]) - expected) < 1e-4);
            }
    }
}

BOOST_AUTO_TEST_CASE(gradients) {
  for (const isize index_rows : {isize(1), B}) {
    check_gradients(
        [&](const auto& x, const auto& rows) { return relative_scores(x, rows, index(index_rows), scored::queries); },
        random_values<4>({B, T, H, C}, 1), random_values<3>({P, H, C}, 2));
    check_gradients(
        [&](const auto& x, const auto& rows) { return relative_scores(x, rows, index(index_rows), scored::keys); },
        random_values<4>({B, S, H, C}, 1), random_values<3>({P, H, C}, 2));
  }
}

BOOST_AUTO_TEST_CASE(what_does_not_fit_is_refused) {
  const auto x = Tensor<f32, 4>::zeros({B, T, H, C});
  const auto rows = Tensor<f32, 3>::zeros({P, H, C});
  BOOST_CHECK_THROW(relative_scores(x, Tensor<f32, 3>::zeros({P, H + 1, C}), index(1), scored::queries), shape_error);
  BOOST_CHECK_THROW(relative_scores(x, rows, index(1), scored::keys), shape_error);
  BOOST_CHECK_THROW(relative_scores(x, rows, Tensor<i64, 3>::zeros({B + 1, T, S}), scored::queries), shape_error);
  BOOST_CHECK_THROW(relative_scores(x, rows, Tensor<i64, 3>::filled({1, T, S}, P), scored::queries), value_error);
}

BOOST_AUTO_TEST_SUITE_END()
